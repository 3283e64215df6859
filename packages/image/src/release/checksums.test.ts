import { FormatError, type Sha256Hex, sha256Hex } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { formatChecksums, isPlainPath, parseChecksums } from "./checksums.ts";

const SUM = sha256Hex("x");

test("is written as sha256sum writes it, in order, and read back", () => {
  const sums = new Map([
    ["b/c.raw", SUM],
    ["a", sha256Hex("")],
  ]);
  const text = formatChecksums(sums);
  expect(text).toBe(`e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 *a\n${SUM} *b/c.raw\n`);
  expect(parseChecksums(text)).toEqual(new Map([...sums].reverse()));
});

test.each([
  ["a path that leads elsewhere", `${SUM} *../a\n`],
  ["an absolute path", `${SUM} */a\n`],
  ["a hidden file", `${SUM} *.a\n`],
  ["an escaped name", `\\${SUM} *a\\nb\n`],
  ["a path twice", `${SUM} *a\n${SUM} *a\n`],
  ["paths out of order", `${SUM} *b\n${SUM} *a\n`],
  ["a digest in upper case", `${SUM.toUpperCase()} *a\n`],
  ["an empty line", `${SUM} *a\n\n${SUM} *b\n`],
  ["nothing", ""],
  ["a line that does not end", `${SUM} *a`],
])("%s is refused", (_, text) => expect(() => parseChecksums(text)).toThrow(FormatError));

test("any text is a list or a FormatError", () => {
  const line = fc.tuple(fc.string(), fc.string()).map(([digest, path]) => `${digest} *${path}`);
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(line).map((lines) => `${lines.join("\n")}\n`),
      ),
      (text) => {
        try {
          expect(formatChecksums(parseChecksums(text))).toBe(text.replaceAll("  ", " *"));
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      },
    ),
  );
});

test("whatever is plain survives", () => {
  fc.assert(
    fc.property(fc.array(fc.string().filter(isPlainPath)), (paths) => {
      const sums = new Map<string, Sha256Hex>(paths.map((path) => [path, sha256Hex(path)]));
      if (sums.size > 0) expect(new Map(parseChecksums(formatChecksums(sums)))).toEqual(sums);
    }),
  );
});
