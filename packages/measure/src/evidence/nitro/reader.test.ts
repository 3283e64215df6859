import { FormatError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readEvidence } from "../reader.ts";
import { type CborValue, decodeCbor } from "./cbor.ts";

const decode = (hex: string) => decodeCbor("test", Buffer.from(hex, "hex"));

describe("decodeCbor", () => {
  // Examples of RFC 8949, appendix A.
  it.each<[string, CborValue]>([
    ["00", 0],
    ["17", 23],
    ["1818", 24],
    ["1903e8", 1000],
    ["1a000f4240", 1000000],
    ["1b000000e8d4a51000", 1000000000000],
    ["1bffffffffffffffff", 18446744073709551615n],
    ["20", -1n],
    ["3903e7", -1000n],
    ["f4", false],
    ["f5", true],
    ["f6", null],
    ["c11a514b67b0", 1363896240],
    ["4401020304", Buffer.of(1, 2, 3, 4)],
    ["62c3bc", "ü"],
    ["83010203", [1, 2, 3]],
    ["8301820203820405", [1, [2, 3], [4, 5]]],
    [
      "a201020304",
      new Map([
        [1, 2],
        [3, 4],
      ]),
    ],
    ["9f018202039f0405ffff", [1, [2, 3], [4, 5]]],
    [
      "bf61610161629f0203ffff",
      new Map<string, CborValue>([
        ["a", 1],
        ["b", [2, 3]],
      ]),
    ],
  ])("%s", (hex, value) => expect(decode(hex)).toEqual(value));

  it.each([
    ["nothing", ""],
    ["more than one value", "0000"],
    ["a cut number", "19"],
    ["a cut string", "4401"],
    ["an array longer than the bytes", "9affffffff"],
    ["a map longer than the bytes", "bb7fffffffffffffff"],
    ["levels without end", "81".repeat(100)],
    ["tags without end", "c1".repeat(100)],
    ["a list without end", "9f00"],
    ["a number with a point", "f93c00"],
    ["a reserved size", "1c"],
  ])("refuses %s", (_, hex) => expect(() => decode(hex)).toThrow(FormatError));

  it("gives a value or a FormatError for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          decodeCbor("test", bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { seed: 1, numRuns: 3000 },
    );
  });
});

describe("readNitroDocument", () => {
  const value = "ab".repeat(48);
  const text = (words: string) => (0x60 + words.length).toString(16) + Buffer.from(words).toString("hex");
  const bytes = (hex: string) => `59${(hex.length / 2).toString(16).padStart(4, "0")}${hex}`;
  const documentOf = (pcrs: string, digest = "SHA384", pcr = `0b5830${value}`) =>
    Buffer.from(
      `8444a1013822a0${bytes(`a3${text("module_id")}${text("i-1")}${text("digest")}${text(digest)}78${pcrs}a1${pcr}`)}40`,
      "hex",
    );
  const named = (words: string) => words.length.toString(16).padStart(2, "0") + Buffer.from(words).toString("hex");

  it("finds the PCRs of a NitroTPM in the bank that it names", () => {
    const evidence = readEvidence(documentOf(named("nitrotpm_pcrs")));
    expect(evidence).toMatchObject({
      kind: "nitro-document",
      title: "attestation document of a NitroTPM",
      registers: { pcr: { sha384: { 11: value } } },
      fields: { module_id: "i-1" },
      warnings: [],
    });
  });

  it("does not take an enclave's PCRs for a TPM's", () => {
    const evidence = readEvidence(documentOf(named("pcrs")));
    expect(evidence.registers).toEqual({ pcr: {} });
    expect(evidence.fields["pcr11"]).toBe(value);
    expect(evidence.warnings).toHaveLength(1);
  });

  it.each([
    ["another hash", documentOf(named("nitrotpm_pcrs"), "MD5"), "digest: expected a hash algorithm"],
    ["a short PCR", documentOf(named("nitrotpm_pcrs"), "SHA384", "0b41ab"), "expected values of 48 bytes by index"],
    ["no PCRs", documentOf(named("nitro_pcrs")), "pcrs: expected a map"],
    ["no signature", Buffer.from("8444a1013822a040", "hex"), "expected 1 bytes, got 0"],
    ["another payload", Buffer.from("8444a1013822a00040", "hex"), "expected a COSE_Sign1 of bytes"],
  ])("refuses %s", (_, document, message) => {
    expect(() => readEvidence(document)).toThrow(FormatError);
    expect(() => readEvidence(document)).toThrow(message);
  });
});
