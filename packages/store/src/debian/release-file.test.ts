import { FormatError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isPlainPath, parseReleaseFile } from "./release-file.ts";

const DIGEST = "4f2c68d67001d595fbd343f6dbad44468953a51c4d9dec3a4803249f6e295940";

/** The head of trixie's release file of 2026-09-12, and two of its lines. */
const TRIXIE = `Origin: Debian
Label: Debian
Suite: stable
Version: 13.7
Codename: trixie
Date: Sat, 12 Sep 2026 07:55:41 UTC
Acquire-By-Hash: yes
No-Support-for-Architecture-all: Packages
Architectures: all amd64 arm64
Components: main contrib non-free-firmware non-free
Description: Debian 13.7 Released 12 September 2026
MD5Sum:
 e08be5a2aa84e0f84bd976c3ce580092 56620099 main/binary-amd64/Packages
SHA256:
 ${DIGEST} 56620099 main/binary-amd64/Packages
 7778d3e3f303b7ddb8ce0fe7c8d57473a076c6bf2e8f241f75421d2396352498  9678380 main/binary-amd64/Packages.xz
`;

describe("a release file", () => {
  it("is read as the archive writes it", () => {
    expect(parseReleaseFile(TRIXIE)).toEqual({
      suite: "stable",
      codename: "trixie",
      date: new Date("2026-09-12T07:55:41Z"),
      validUntil: undefined,
      components: ["main", "contrib", "non-free-firmware", "non-free"],
      architectures: ["all", "amd64", "arm64"],
      acquireByHash: true,
      files: new Map([
        ["main/binary-amd64/Packages", { sha256: DIGEST, sizeBytes: 56_620_099 }],
        [
          "main/binary-amd64/Packages.xz",
          { sha256: "7778d3e3f303b7ddb8ce0fe7c8d57473a076c6bf2e8f241f75421d2396352498", sizeBytes: 9_678_380 },
        ],
      ]),
    });
  });

  it.each([
    ["Wed, 25 Nov 2026 22:17:43 UTC", "2026-11-25T22:17:43Z"],
    ["Sun,  1 Nov 2026  2:07:43 GMT".replace("  2:", " 2:"), "2026-11-01T02:07:43Z"],
    ["Sun, 01 Nov 2026 02:07:43 +0000", "2026-11-01T02:07:43Z"],
  ])("may be dated %s", (text, expected) => {
    expect(parseReleaseFile(`Date: ${text}\nValid-Until: ${text}`)).toMatchObject({
      date: new Date(expected),
      validUntil: new Date(expected),
    });
  });

  it.each([
    ["nothing", ""],
    ["no date", "Codename: trixie"],
    ["a date in words", "Date: yesterday"],
    ["a date that is none", "Date: Sat, 42 Sep 2026 07:55:41 UTC"],
    ["a date of another zone", "Date: Sat, 12 Sep 2026 07:55:41 CEST"],
    ["an end that is none", `${TRIXIE.replace("Date:", "Date: Sat, 12 Sep 2026 07:55:41 UTC\nValid-Until: never #")}`],
    ["a field twice", `${TRIXIE}Codename: sid`],
    ["a line that is none", `${TRIXIE}hello`],
    ["a line that goes on from nothing", ` x\n${TRIXIE}`],
    ["a short digest", TRIXIE.replace(DIGEST, DIGEST.slice(1))],
    ["a digest in capitals", TRIXIE.replace(DIGEST, DIGEST.toUpperCase())],
    ["a negative size", TRIXIE.replace(`${DIGEST} 5`, `${DIGEST} -5`)],
    ["a size beyond numbers", TRIXIE.replace(`${DIGEST} 56620099`, `${DIGEST} ${"9".repeat(20)}`)],
    ["a path that climbs", TRIXIE.replace(`${DIGEST} 56620099 main`, `${DIGEST} 56620099 ..`)],
    ["two digests of one path", `${TRIXIE} ${"0".repeat(64)} 1 main/binary-amd64/Packages`],
  ])("with %s is refused", (_, text) => {
    expect(() => parseReleaseFile(text)).toThrow(FormatError);
  });

  it("of any text is read or refused with a FormatError", () => {
    const lines = TRIXIE.split("\n");
    const mutated = fc
      .array(fc.tuple(fc.nat(lines.length - 1), fc.oneof(fc.string(), fc.constantFrom(...lines))), { maxLength: 4 })
      .map((edits) => {
        const copy = [...lines];
        for (const [at, line] of edits) copy[at] = line;
        return copy.join("\n");
      });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.string()), (text) => {
        try {
          parseReleaseFile(text);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { seed: 2, numRuns: 500 },
    );
  });
});

it.each([
  ["main/binary-amd64/Packages", true],
  ["a", true],
  ["", false],
  ["/a", false],
  ["a/", false],
  ["a//b", false],
  ["../a", false],
  ["a/../b", false],
  ["./a", false],
])("isPlainPath(%j) is %s", (path, expected) => {
  expect(isPlainPath(path)).toBe(expected);
});
