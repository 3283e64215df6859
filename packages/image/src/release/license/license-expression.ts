import { compareCodeUnits, sha256Hex } from "@cvm-build/bytes";
import { type CopyrightFile, type DeclaredText, parseCopyrightFile } from "./copyright-file.ts";
import { spdxLicense } from "./license-names.ts";

/** A licence that SPDX has no identifier for. */
export interface ExtractedLicense {
  /** `LicenseRef-Debian-<name>-<digest of its text>` */
  id: string;
  /** As the copyright file has it. */
  name: string;
  /** As the copyright file has it; empty where it has none. */
  text: string;
}

/** What a package's copyright file says about its licences. */
export interface PackageLicense {
  /** `text`: there is a file, not machine-readable. `none`: there is none. */
  kind: "machine-readable" | "text" | "none";
  /** An SPDX expression; undefined unless machine-readable. */
  expression?: string;
  /** The licences that the expression refers to beside SPDX's own. */
  extracted: ExtractedLicense[];
}

/**
 * Reads the licences of a package out of its copyright file: all that the file names for any part of the source, joined
 * by AND. Nothing is guessed from texts.
 */
export function packageLicense(copyright: Uint8Array | undefined): PackageLicense {
  if (copyright === undefined) return { kind: "none", extracted: [] };
  const file = parseCopyrightFile(copyright);
  if (file === undefined) return { kind: "text", extracted: [] };
  const extracted = new Map<string, ExtractedLicense>();
  const refer = (license: ExtractedLicense): string => {
    extracted.set(license.id, license);
    return license.id;
  };
  const terms = file.licenses.map((declared) => expressionOf(declared, { file, refer }));
  return {
    kind: "machine-readable",
    expression: format(join("AND", terms)),
    extracted: [...extracted.values()].sort((a, b) => compareCodeUnits(a.id, b.id)),
  };
}

type Operator = "AND" | "OR";

/** A simple expression, or terms with what joins them. */
type Term = string | { operator: Operator; terms: Term[] };

interface Context {
  file: CopyrightFile;
  /** Makes a licence of the file known and gives the identifier that refers to it. */
  refer: (license: ExtractedLicense) => string;
}

/** One name, or names with `or` and `and`: the latter binds closer, and a comma before either ends what came before. */
function expressionOf(declared: DeclaredText, context: Context): Term {
  const place = { declared, context };
  const [first = "", ...others] = declared.synopsis.split(/, (?=(?:and|or) )/i);
  let term = alternativesOf(first, place);
  for (const other of others) {
    const [, operator = "", rest = ""] = /^(and|or) (.*)$/i.exec(other) ?? [];
    const next = alternativesOf(rest, place);
    term = term && next && join(operator.toUpperCase() as Operator, [term, next]);
  }
  return term ?? unknownLicense(declared.synopsis, place);
}

/** Undefined where something stands between the operators that is no name. */
function alternativesOf(text: string, place: Place): Term | undefined {
  return joinAll(
    "OR",
    text.split(/ or /i).map((alternative) =>
      joinAll(
        "AND",
        alternative.split(/ and /i).map((name) => licenseOf(name, place)),
      ),
    ),
  );
}

interface Place {
  declared: DeclaredText;
  context: Context;
}

/** `GPL-2+`, or `GPL-2+ with Font exception`. */
function licenseOf(text: string, place: Place): Term | undefined {
  const [, name, exception] = /^([^\s,]+)(?: with (.+?)(?: exception)?)?$/i.exec(text) ?? [];
  return name === undefined ? undefined : (spdxLicense(name, exception) ?? unknownLicense(text, place));
}

/** Its text is the one that stands where it was named, else the one that the file has under the name. */
function unknownLicense(name: string, { declared, context }: Place): string {
  const elsewhere = context.file.texts.get(name.toLowerCase());
  const text = declared.synopsis === name ? declared.text || elsewhere : elsewhere || declared.text;
  const word = name.replaceAll(/[^A-Za-z0-9.-]+/g, "-").slice(0, 64);
  return context.refer({
    id: `LicenseRef-Debian-${word}-${sha256Hex(text ?? "").slice(0, 16)}`,
    name,
    text: text ?? "",
  });
}

function joinAll(operator: Operator, terms: readonly (Term | undefined)[]): Term | undefined {
  const known = terms.filter((term) => term !== undefined);
  return known.length === terms.length ? join(operator, known) : undefined;
}

/** Joins terms; those that are joined by the same operator become one list, and equal ones count once. */
function join(operator: Operator, terms: readonly Term[]): Term {
  const flat = terms.flatMap((term) => (typeof term !== "string" && term.operator === operator ? term.terms : [term]));
  const unique = [...new Map(flat.map((term) => [format(term), term])).values()];
  return unique.length === 1 ? unique[0]! : { operator, terms: unique };
}

function format(term: Term): string {
  if (typeof term === "string") return term;
  const texts = term.terms.map((inner) => (typeof inner === "string" ? inner : `(${format(inner)})`));
  return texts.join(` ${term.operator} `);
}
