import { compareCodeUnits, FormatError, isSha256Hex, type Sha256Hex } from "@cvm-build/bytes";

/** Digests of files by their path below one folder. */
export type Checksums = ReadonlyMap<string, Sha256Hex>;

/** Segments that begin with a letter or digit and hold nothing that a shell, a URL or sha256sum reads otherwise. */
const PLAIN_PATH = /^[A-Za-z0-9][A-Za-z0-9._+@~-]*(\/[A-Za-z0-9][A-Za-z0-9._+@~-]*)*$/;
const MAX_PATH_CHARACTERS = 255;

/** Says whether a path can stand in a list of checksums. */
export function isPlainPath(path: string): boolean {
  return path.length <= MAX_PATH_CHARACTERS && PLAIN_PATH.test(path);
}

/** Formats a list of checksums as `sha256sum --binary` does, sorted by path. */
export function formatChecksums(checksums: Checksums): string {
  return [...checksums]
    .sort(([a], [b]) => compareCodeUnits(a, b))
    .map(([path, sha256]) => `${sha256} *${path}\n`)
    .join("");
}

/**
 * Parses a list of checksums.
 * @throws FormatError where a line is none, a path leads elsewhere, or stands twice or out of order
 */
export function parseChecksums(text: string): Checksums {
  const checksums = new Map<string, Sha256Hex>();
  if (!text.endsWith("\n")) throw new FormatError({ record: "SHA256SUMS" }, "expected lines that end");
  let previous = "";
  for (const [index, line] of text.slice(0, -1).split("\n").entries()) {
    const place = { record: "SHA256SUMS", field: `line ${index + 1}` };
    const [, sha256 = "", path = ""] = /^([0-9a-f]{64}) [ *](.+)$/.exec(line) ?? [];
    if (!isSha256Hex(sha256) || !isPlainPath(path)) throw new FormatError(place, "expected a SHA-256 and a plain path");
    if (compareCodeUnits(previous, path) >= 0) throw new FormatError(place, "expected paths in order, each once");
    checksums.set(path, sha256);
    previous = path;
  }
  return checksums;
}
