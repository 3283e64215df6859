import { CvmError } from "@cvm-build/bytes";
import { MAX_NAME_UNITS } from "./format.ts";

/** A name and the eleven characters, padded with spaces, that systems without long names know it by. */
export interface FatName {
  name: string;
  shortName: string;
  /** Whether the short name says less than the name. */
  needsLongName: boolean;
}

const SHORT_CHARACTERS = "A-Z0-9$%'_@~`!(){}^#&-";
const SHORT_NAME = new RegExp(`^([${SHORT_CHARACTERS}]{1,8})(?:\\.([${SHORT_CHARACTERS}]{1,3}))?$`);
const NOT_SHORT = new RegExp(`[^${SHORT_CHARACTERS}]`, "g");
// eslint-disable-next-line no-control-regex
const NOT_LONG = /[\u0000-\u001f\u007f"*/:<>?\\|]/;
const MAX_TAIL = 999_999;

/**
 * Gives each name of a directory its short name: its own where that is short, else its beginning with `~1`, `~2` and so on.
 * The order of the names decides the numbers.
 * @param directory path, for errors
 * @throws CvmError `archive` where FAT cannot hold a name, or takes two for one since case does not count
 * @see Microsoft, FAT: General Overview of On-Disk Format 1.03, "Rules Governing Name Creation and Matching"
 */
export function nameEntries(names: readonly string[], directory: string): FatName[] {
  checkNames(names, directory);
  const taken = new Set<string>();
  const nextTails = new Map<string, number>();
  const own = names.map((name) => {
    const shortName = ownShortName(name);
    if (shortName !== undefined) taken.add(shortName);
    return shortName;
  });
  return names.map((name, index) => {
    const shortName = own[index];
    if (shortName !== undefined) return { name, shortName, needsLongName: name !== name.toUpperCase() };
    return { name, shortName: makeShortName(name, { taken, nextTails }), needsLongName: true };
  });
}

/** How names compare: a letter beyond ASCII counts as its upper case where that is one code unit too. */
export function foldName(name: string): string {
  let folded = "";
  for (let at = 0; at < name.length; at++) {
    const unit = name.charAt(at);
    const upper = unit.toUpperCase();
    folded += upper.length === 1 ? upper : unit;
  }
  return folded;
}

/**
 * The sum by which parts of a long name say to which entry they belong.
 * @param shortName eleven bytes
 */
export function shortNameChecksum(shortName: Uint8Array): number {
  return shortName.reduce((sum, byte) => (((sum & 1) << 7) + (sum >> 1) + byte) & 0xff, 0);
}

function checkNames(names: readonly string[], directory: string): void {
  const known = new Map<string, string>();
  for (const name of names) {
    checkName(name, directory);
    const folded = foldName(name);
    const other = known.get(folded);
    if (other !== undefined) {
      throw refusal(name, directory, `a name that differs by more than case from ${JSON.stringify(other)}`);
    }
    known.set(folded, name);
  }
}

function checkName(name: string, directory: string): void {
  const bad = NOT_LONG.exec(name)?.[0];
  if (bad !== undefined) {
    throw refusal(name, directory, `a name without control characters and "*/:<>?\\|, got ${JSON.stringify(bad)}`);
  }
  if (/[. ]$/.test(name)) throw refusal(name, directory, "a name that ends in neither a dot nor a space");
  if (/[\ud800-\udfff]/.test(name)) {
    throw refusal(name, directory, "a name of characters up to U+FFFF, which are all that firmware and mtools know");
  }
  if (name.length > MAX_NAME_UNITS) {
    throw refusal(name, directory, `a name of at most ${MAX_NAME_UNITS} UTF-16 code units, got ${name.length}`);
  }
}

function refusal(name: string, directory: string, expected: string): CvmError<"archive"> {
  const path = directory === "/" ? `/${name}` : `${directory}/${name}`;
  return new CvmError("archive", `cannot pack entry ${JSON.stringify(path)}: expected ${expected}`, {
    hint: "a FAT volume takes fewer names than Linux: rename it, or put it on the root file system",
    details: { path },
  });
}

/** The name itself where it is short, whatever its case. */
function ownShortName(name: string): string | undefined {
  const isAscii = /^[\x20-\x7e]*$/.test(name);
  const parts = isAscii ? SHORT_NAME.exec(name.toUpperCase()) : null;
  return parts ? pad(parts[1] ?? "", parts[2] ?? "") : undefined;
}

function makeShortName(name: string, known: { taken: Set<string>; nextTails: Map<string, number> }): string {
  const plain = name.replaceAll(" ", "").replace(/^\.+/, "").toUpperCase();
  const dot = plain.lastIndexOf(".");
  const base = (dot < 0 ? plain : plain.slice(0, dot)).replaceAll(".", "").replace(NOT_SHORT, "_") || "_";
  const extension = dot < 0 ? "" : plain.slice(dot + 1, dot + 4).replace(NOT_SHORT, "_");
  const key = `${base.slice(0, 6)}.${extension}`;
  for (let tail = known.nextTails.get(key) ?? 1; tail <= MAX_TAIL; tail++) {
    const digits = `~${tail}`;
    const shortName = pad(base.slice(0, 8 - digits.length) + digits, extension);
    if (known.taken.has(shortName)) continue;
    known.taken.add(shortName);
    known.nextTails.set(key, tail + 1);
    return shortName;
  }
  throw new CvmError("archive", `cannot pack entry ${JSON.stringify(name)}: expected fewer names like it`);
}

function pad(base: string, extension: string): string {
  return base.padEnd(8) + extension.padEnd(3);
}
