import { FormatError, isSha256Hex, type Sha256Hex } from "@cvm-build/bytes";

/** One file that a Release file vouches for. */
export interface ReleaseEntry {
  sha256: Sha256Hex;
  sizeBytes: number;
}

/**
 * The statements of a Release file that bear on trust.
 * @see Debian wiki, "DebianRepository/Format", section "Release" files
 */
export interface ReleaseFile {
  suite: string | undefined;
  codename: string | undefined;
  date: Date;
  /** Absent where the archive sets no end, as for a stable release. */
  validUntil: Date | undefined;
  components: string[];
  architectures: string[];
  acquireByHash: boolean;
  /** By path below `dists/<suite>/`. */
  files: ReadonlyMap<string, ReleaseEntry>;
}

/** More files than any archive lists in one suite (sid: about 3,000). */
const MAX_FILES = 200_000;

/**
 * Reads the signed text of an InRelease file.
 * @throws FormatError where it is no such file
 */
export function parseReleaseFile(text: string): ReleaseFile {
  const fields = fieldsOf(text);
  const date = dateOf(fields, "Date");
  if (date === undefined) throw new FormatError({ record: "Release", field: "Date" }, "expected it to be there");
  return {
    suite: fields.get("suite"),
    codename: fields.get("codename"),
    date,
    validUntil: dateOf(fields, "Valid-Until"),
    components: words(fields.get("components")),
    architectures: words(fields.get("architectures")),
    acquireByHash: fields.get("acquire-by-hash") === "yes",
    files: filesOf(fields.get("sha256") ?? ""),
  };
}

/** Fields by lower-case name; the lines of a field that goes on are joined by line feeds. */
function fieldsOf(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  let current: string | undefined;
  let collected: string[] = [];
  const close = () => {
    if (current !== undefined) fields.set(current, collected.join("\n").trim());
  };
  for (const [index, line] of text.trimEnd().split("\n").entries()) {
    if (/^[ \t]/.test(line) && current !== undefined) {
      collected.push(line.trim());
      continue;
    }
    close();
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(colon, 0)).toLowerCase();
    if (!/^[a-z][a-z0-9-]*$/.test(name)) {
      throw new FormatError({ record: "Release" }, `expected "Field: value" in line ${index + 1}`);
    }
    if (fields.has(name)) {
      throw new FormatError({ record: "Release", field: name }, `expected it once, got a second in line ${index + 1}`);
    }
    current = name;
    collected = [line.slice(colon + 1).trim()];
  }
  close();
  return fields;
}

/** @see RFC 5322, 3.3, as the archive writes it: always in UTC */
const DATE = /^[A-Z][a-z]{2}, {1,2}\d{1,2} [A-Z][a-z]{2} \d{4} \d{1,2}:\d{2}:\d{2} (UTC|GMT|\+0000|Z)$/;

function dateOf(fields: ReadonlyMap<string, string>, field: string): Date | undefined {
  const text = fields.get(field.toLowerCase());
  if (text === undefined) return undefined;
  const milliseconds = DATE.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(milliseconds)) return new Date(milliseconds);
  throw new FormatError({ record: "Release", field }, `expected a date and time in UTC, got "${text}"`);
}

function filesOf(list: string): Map<string, ReleaseEntry> {
  const files = new Map<string, ReleaseEntry>();
  const lines = list === "" ? [] : list.split("\n");
  if (lines.length > MAX_FILES) {
    throw new FormatError({ record: "Release", field: "SHA256" }, `expected at most ${MAX_FILES} files`);
  }
  for (const line of lines) {
    if (line === "") continue;
    const [sha256, size, path, ...rest] = line.split(/[ \t]+/);
    const well =
      sha256 !== undefined &&
      isSha256Hex(sha256) &&
      size !== undefined &&
      /^\d{1,15}$/.test(size) &&
      path !== undefined &&
      isPlainPath(path) &&
      rest.length === 0;
    if (!well) {
      throw new FormatError({ record: "Release", field: "SHA256" }, `expected "digest size path", got "${line}"`);
    }
    const known = files.get(path);
    if (known !== undefined && known.sha256 !== sha256) {
      throw new FormatError({ record: "Release", field: "SHA256" }, `expected one digest for "${path}", got two`);
    }
    files.set(path, { sha256, sizeBytes: Number(size) });
  }
  return files;
}

/** Whether a path stays below where it is used. */
export function isPlainPath(path: string): boolean {
  return path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

function words(text: string | undefined): string[] {
  return text === undefined || text === "" ? [] : text.split(/\s+/);
}
