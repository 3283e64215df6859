import { FormatError } from "@cvm-build/bytes";

/** Linux's limit for a path, its final NUL included. */
export const PATH_MAX_BYTES = 4096;

/**
 * The absolute, normalised path of an archive's entry name: `./usr/bin/` is `/usr/bin`, `.` is `/`. Names that lead out
 * of the tree are refused rather than mended, since other tools mend them in different ways.
 * @param record what the name belongs to, for the error
 * @throws FormatError where the name is empty, too long, has a NUL or a `..`
 */
export function archivePath(name: string, record: string): string {
  const fail = (expected: string): never => {
    throw new FormatError({ record, field: "name" }, `expected ${expected}, got ${JSON.stringify(shorten(name))}`);
  };
  if (name === "") fail("a name");
  if (name.includes("\0")) fail("a name without NUL");
  const names = name.split("/").filter((part) => part !== "" && part !== ".");
  if (names.includes("..")) fail('a name without ".."');
  const path = `/${names.join("/")}`;
  if (Buffer.byteLength(path) >= PATH_MAX_BYTES) fail(`a name shorter than ${PATH_MAX_BYTES} bytes`);
  return path;
}

function shorten(name: string): string {
  return name.length > 200 ? `${name.slice(0, 200)}…` : name;
}
