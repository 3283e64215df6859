import { FormatError, readDerList } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makeCertificate, type NameAttribute } from "./certificate.fixture.ts";
import { subjectHash } from "./subject-hash.ts";

const ISRG_ROOT_X1: NameAttribute[][] = [
  [{ type: "C", text: "US" }],
  [{ type: "O", text: "Internet Security Research Group" }],
  [{ type: "CN", text: "ISRG Root X1" }],
];

describe("subjectHash", () => {
  it.each([
    ["ISRG Root X1", ISRG_ROOT_X1, "4042bcee"],
    [
      "GlobalSign Root CA - R3",
      [
        [{ type: "OU", text: "GlobalSign Root CA - R3" }],
        [{ type: "O", text: "GlobalSign" }],
        [{ type: "CN", text: "GlobalSign" }],
      ],
      "062cdee6",
    ],
    [
      "Amazon Root CA 1",
      [[{ type: "C", text: "US" }], [{ type: "O", text: "Amazon" }], [{ type: "CN", text: "Amazon Root CA 1" }]],
      "ce5e74ef",
    ],
  ] satisfies [string, NameAttribute[][], string][])("of %s is the one that Debian's links have", (_, name, hash) => {
    expect(subjectHash(makeCertificate(name))).toBe(hash);
  });

  it.each([
    ["letter case", "isrg ROOT x1", 0x0c],
    ["white space", "  ISRG \t Root  X1 ", 0x0c],
    ["PrintableString", "ISRG Root X1", 0x13],
    ["BMPString", "ISRG Root X1", 0x1e],
    ["UniversalString", "ISRG Root X1", 0x1c],
  ])("does not depend on %s", (_, text, tag) => {
    const name = [...ISRG_ROOT_X1.slice(0, 2), [{ type: "CN", text, tag }]] satisfies NameAttribute[][];
    expect(subjectHash(makeCertificate(name))).toBe("4042bcee");
  });

  it("does not depend on the version field or the order within a set", () => {
    const both: NameAttribute[] = [
      { type: "CN", text: "a" },
      { type: "OU", text: "b" },
    ];
    expect(subjectHash(makeCertificate([both]))).toBe(subjectHash(makeCertificate([both.toReversed()])));
    expect(subjectHash(makeCertificate(ISRG_ROOT_X1, { version: false }))).toBe("4042bcee");
  });

  it.each([
    ["nothing", ""],
    ["another tag", "3100"],
    ["an empty certificate", "3000"],
    ["a length beyond the bytes", "30820400"],
    ["an indefinite length", "3080"],
    ["a length of five bytes", "30850000000001"],
    ["a long form of a short length", "30810100"],
    ["a length with a leading zero", "3082008030"],
    ["a tag of two bytes", "1f8100"],
  ])("refuses %s", (_, hex) => {
    expect(() => subjectHash(Buffer.from(hex, "hex"))).toThrow(FormatError);
  });

  it("gives a value or a FormatError for damaged bytes", () => {
    const good = makeCertificate(ISRG_ROOT_X1);
    const change = fc.tuple(fc.nat({ max: good.length - 1 }), fc.nat({ max: 255 }));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
        const bytes = Buffer.from(good);
        for (const [at, value] of changes) bytes[at] = value;
        for (const read of [subjectHash, readDerList]) {
          try {
            read(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError);
          }
        }
      }),
      { seed: 5, numRuns: 3000 },
    );
  });
});
