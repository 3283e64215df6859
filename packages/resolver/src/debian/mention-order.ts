import type { PackageIndex } from "./package-index.ts";

/** The place where a list of indexes first names a package: index, stanza, field (the package's own name comes first), offset. */
export type Mention = readonly [index: number, stanza: number, field: number, offset: number];

/** Fields that name packages, in the order in which apt reads them. */
const NAMING_FIELDS = [
  "pre-depends",
  "depends",
  "conflicts",
  "breaks",
  "recommends",
  "suggests",
  "replaces",
  "enhances",
  "provides",
];
const OWN_NAME = -1;
const NOWHERE: Mention = [Infinity, 0, 0, 0];

/**
 * Finds where the indexes first name a package, be it as a package or in a relation. apt numbers packages in this order and lets
 * the number decide between providers that are equal in all else.
 */
export function findFirstMention(name: string, indexes: readonly PackageIndex[]): Mention {
  for (const [at, index] of indexes.entries()) {
    const found = findInIndex(name, index);
    if (found !== undefined) return [at, ...found];
  }
  return NOWHERE;
}

/** Orders two mentions. */
export function compareMentions(a: Mention, b: Mention): number {
  for (const [at, value] of a.entries()) {
    const order = value - (b[at] ?? 0);
    if (order !== 0 && !Number.isNaN(order)) return order;
  }
  return 0;
}

type PlaceInIndex = readonly [stanza: number, field: number, offset: number];

function findInIndex(name: string, index: PackageIndex): PlaceInIndex | undefined {
  const ownStanza = index.stanzasOf(name)[0];
  let best: PlaceInIndex | undefined = ownStanza === undefined ? undefined : [ownStanza, OWN_NAME, 0];
  let end = best === undefined ? index.text.length : index.startOf(best[0]);
  for (let at = index.text.indexOf(name); at !== -1 && at < end; at = index.text.indexOf(name, at + 1)) {
    if (!isWholeName(index.text, at, name.length)) continue;
    const field = namingFieldAt(index.text, at);
    if (field === -1) continue;
    const stanza = index.stanzaAt(at);
    if (best === undefined || best[0] !== stanza || field < best[1]) best = [stanza, field, at];
    // Fields of a stanza need not stand in apt's order: look at the rest of this stanza, and no further.
    end = index.startOf(stanza + 1);
  }
  return best;
}

function isWholeName(text: string, at: number, length: number): boolean {
  const before = text[at - 1];
  const after = text[at + length];
  if (before === undefined || !" \t\n,|".includes(before)) return false;
  if (after === undefined) return true;
  // `name:any` stands for every package that provides it, a name of its own.
  if (after === ":") return !/^any(?![a-z0-9-])/.test(text.slice(at + length + 1, at + length + 5));
  return " \t\n,|([<".includes(after);
}

/** Rank of the field that the offset lies in, or -1 where that field names no packages. */
function namingFieldAt(text: string, offset: number): number {
  let lineStart = text.lastIndexOf("\n", offset) + 1;
  while (lineStart > 0 && (text[lineStart] === " " || text[lineStart] === "\t")) {
    lineStart = text.lastIndexOf("\n", lineStart - 2) + 1;
  }
  const colon = text.indexOf(":", lineStart);
  return colon === -1 || colon > offset ? -1 : NAMING_FIELDS.indexOf(text.slice(lineStart, colon).toLowerCase());
}
