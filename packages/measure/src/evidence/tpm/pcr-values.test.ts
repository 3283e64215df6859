import { digest, FormatError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makeTpmQuote } from "../evidence.fixture.ts";
import { readPcrValues } from "./pcr-values.ts";
import { readTpmQuote, withPcrValues } from "./reader.ts";

const zero = "00".repeat(32);
const eleven = "ab".repeat(32);
const values = { sha256: { 0: zero, 11: eleven } };
const selections = [{ bank: "sha256", pcrs: [0, 11] }] as const;

describe("readPcrValues", () => {
  it.each([
    ["tpm2_pcrread", `  sha256:\n    0 : 0x${zero.toUpperCase()}\n    11: 0x${eleven.toUpperCase()}\n`],
    [
      "tpm2_quote",
      `quoted: ff54\nsignature:\n  alg: rsassa\npcrs:\n  sha256:\n    0 : 0x${zero}\n    11: 0x${eleven}\n`,
    ],
    ["JSON", JSON.stringify({ sha256: { 0: zero, 11: `0x${eleven}` } })],
  ])("reads the text of %s", (_, text) => expect(readPcrValues(Buffer.from(text))).toEqual(values));

  it("reads values one after another where it is said what they are of", () => {
    const bytes = Buffer.from(zero + eleven, "hex");
    expect(readPcrValues(bytes, [{ bank: "sha256", pcrs: [0, 11] }])).toEqual(values);
    expect(() => readPcrValues(bytes)).toThrow("expected what tpm2_pcrread or tpm2_quote write");
    expect(() => readPcrValues(bytes, [{ bank: "sha256", pcrs: [0] }])).toThrow("expected what tpm2_pcrread");
    expect(() => readPcrValues(bytes, [{ bank: "sha384", pcrs: [0, 11] }])).toThrow("expected 48 bytes, got 16");
  });

  it.each([
    ["another bank's length", JSON.stringify({ sha384: { 0: zero } }), "expected 96 digits for sha384, got 64"],
    ["a PCR that no TPM has", JSON.stringify({ sha256: { 24: zero } }), "expected PCRs below 24, got 24"],
    ["no bank", "{}", "expected banks by name"],
    ["no hex", JSON.stringify({ sha256: { 0: "xyz" } }), 'expected hex by index, got "0"'],
    ["JSON that ends early", "{", "expected JSON, got a syntax error"],
    ["too much", "x".repeat((1 << 20) + 1), "expected at most 1048576 bytes"],
  ])("refuses %s", (_, text, message) => {
    expect(() => readPcrValues(Buffer.from(text))).toThrow(FormatError);
    expect(() => readPcrValues(Buffer.from(text))).toThrow(message);
  });

  it("gives values or a FormatError for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), fc.nat(16), fc.nat(3), (bytes, count, lists) => {
        const serialized = Buffer.alloc(136 + 532 * lists, Buffer.from(bytes.length > 0 ? bytes : [0]));
        serialized.writeUInt32LE(count);
        serialized.writeUInt32LE(lists, 132);
        for (const input of [Buffer.from(bytes), serialized]) {
          try {
            readPcrValues(
              input,
              selections.map(({ bank, pcrs }) => ({ bank, pcrs: [...pcrs] })),
            );
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError);
          }
        }
      }),
      { seed: 1, numRuns: 1000 },
    );
  });
});

describe("withPcrValues", () => {
  const quote = readTpmQuote(makeTpmQuote(digest("sha256", Buffer.from(zero + eleven, "hex"))));

  it("takes the values that a quote selects, and says whether they hash to its digest", () => {
    const evidence = withPcrValues(quote, { sha256: { ...values.sha256, 7: zero }, sha1: { 0: "00".repeat(20) } });
    expect(evidence.registers.pcr).toEqual(values);
    expect(evidence.checks).toEqual([{ what: "the PCR values of sha256:0,11 hash to the quoted digest", holds: true }]);
  });

  it.each([
    ["another value", { sha256: { 0: zero, 11: zero } }],
    ["one that is missing", { sha256: { 0: zero } }],
    ["another bank", { sha1: { 0: "00".repeat(20), 11: "00".repeat(20) } }],
  ])("sees %s", (_, given) => expect(withPcrValues(quote, given).checks).toMatchObject([{ holds: false }]));
});
