import { FormatError } from "@cvm-build/bytes";

/** The comparison operators of relations; the obsolete `<` and `>` read as `<=` and `>=`. */
export type VersionOperator = "<<" | "<=" | "=" | ">=" | ">>";

/** One package that a relation names: `name[:architecture] [(operator version)]`. */
export interface Relation {
  name: string;
  /** `any`, `native` or the name of an architecture. */
  architecture?: string;
  operator?: VersionOperator;
  version?: string;
}

/** An element that is longer is not a relation of any real package. */
const MAX_ELEMENT_CHARS = 4096;

const RELATION =
  /^([A-Za-z0-9][A-Za-z0-9+._-]*)(?::([a-z0-9][a-z0-9-]*))? ?(?:\( ?(<<|<=|=|>=|>>|<|>) ?([\w.+:~-]+) ?\))? ?(?:\[[^[\]]*\])? ?(?:<[^<>]*> ?)*$/;

const OBSOLETE_OPERATORS: Readonly<Record<string, VersionOperator>> = { "<": "<=", ">": ">=" };

/**
 * Parses a relation field (`Depends`, `Conflicts`, …): a list of groups, each a list of alternatives.
 * Build profiles and architecture lists, which only source packages have, are ignored.
 * @param field the field's name, for errors
 * @throws FormatError
 * @see Debian Policy 7.1
 */
export function parseRelations(text: string, { field }: { field: string }): Relation[][] {
  const groups: Relation[][] = [];
  for (const element of text.split(",")) {
    // A list may end in a comma.
    if (element.trim() === "") continue;
    groups.push(element.split("|").map((alternative) => parseRelation(alternative, { field })));
  }
  return groups;
}

/** Formats a relation as a control file has it: `libc6:any (>= 2.36)`. */
export function formatRelation({ name, architecture, operator, version }: Relation): string {
  const target = architecture === undefined ? name : `${name}:${architecture}`;
  return operator === undefined ? target : `${target} (${operator} ${version})`;
}

function parseRelation(text: string, { field }: { field: string }): Relation {
  const matched = text.length > MAX_ELEMENT_CHARS ? null : RELATION.exec(text.trim().replace(/\s+/g, " "));
  if (matched === null) {
    throw new FormatError({ record: "Packages", field }, `expected a relation, got "${text.trim().slice(0, 80)}"`);
  }
  const [, name = "", architecture, operator, version] = matched;
  return {
    name,
    ...(architecture === undefined ? {} : { architecture }),
    ...(operator === undefined || version === undefined
      ? {}
      : { operator: OBSOLETE_OPERATORS[operator] ?? (operator as VersionOperator), version }),
  };
}
