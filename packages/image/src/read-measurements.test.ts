import { canonicalJson, FormatError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { makeMeasurements, sha384, snpPlatform, tdxPlatform, tpmPlatform } from "./exports/measurements.fixture.ts";
import { readMeasurements } from "./read-measurements.ts";

const ALTERNATIVES = [
  { register: "mrtd" as const, values: [{ sha384: sha384("one") }], reason: "two firmware builds" },
];
const DOCUMENT = makeMeasurements(
  tpmPlatform("qemu-ovmf"),
  tdxPlatform("gcp-tdx", { alternatives: ALTERNATIVES }),
  snpPlatform("qemu-snp"),
);
const TEXT = canonicalJson(DOCUMENT);

test("a document as builds write it", () => {
  expect(readMeasurements(TEXT)).toEqual(DOCUMENT);
});

describe("refused", () => {
  test.each<[string, string, string]>([
    ["no JSON", TEXT, "{"],
    ["another schema", "cvm-build.measurements/1", "cvm-build.measurements/2"],
    ["a digest in upper case", DOCUMENT.image.sha256, DOCUMENT.image.sha256.toUpperCase()],
    ["a short digest", DOCUMENT.platforms[1]?.registers.mrtd ?? "", "00"],
    ["a long digest", DOCUMENT.platforms[2]?.registers.launchDigest ?? "", "00".repeat(64)],
    ["text for a digest", sha384("one"), `"${"0".repeat(90)}`],
    ["a bank of another name", '"sha384": {', '"sha3": {'],
    ["a PCR that no TPM has", '"13": ', '"24": '],
    ["an unknown register", '"register": "mrtd"', '"register": "mrtd2"'],
    ["a value in no bank", `{\n              "sha384": "${sha384("one")}"\n            }`, "{}"],
    ["a value in a bank that TDX has not", `"sha384": "${sha384("one")}"`, `"sha256": "${"00".repeat(32)}"`],
    ["a number for a name", '"name": "gcp-tdx"', '"name": 1'],
    ["a missing list", '"unpredicted"', '"predicted"'],
  ])("%s", (_, from, to) => {
    expect(TEXT).toContain(from);
    expect(() => readMeasurements(TEXT.replace(from, to))).toThrow(FormatError);
  });

  test("whatever is made of it by chance, or is read", () => {
    fc.assert(
      fc.property(fc.nat(TEXT.length), fc.nat(40), fc.string({ maxLength: 8 }), (at, length, instead) => {
        const text = TEXT.slice(0, at) + instead + TEXT.slice(at + length);
        try {
          readMeasurements(text);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
