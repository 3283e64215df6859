import { FormatError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dumpSignatureLists } from "./dump.ts";
import { MAX_SIGNATURE_LISTS_BYTES, SignatureListHeader } from "./format.ts";
import { readSignatureLists } from "./reader.ts";
import { certificateList, digestList, encodeSignature, encodeSignatureLists } from "./writer.ts";

const owner = "11111111-2222-3333-4444-123456789abc";
const lists = [
  certificateList({ owner, der: Buffer.from("not really a certificate") }),
  digestList({ owner, sha256: [Buffer.alloc(32, 1), Buffer.alloc(32, 2)] }),
];
const encoded = encodeSignatureLists(lists);

/** `encoded` with a number of its first list's header changed. */
function changed(field: Parameters<typeof SignatureListHeader.offsetOf>[0], value: number): Buffer {
  const bytes = Buffer.from(encoded);
  bytes.writeUInt32LE(value, SignatureListHeader.offsetOf(field));
  return bytes;
}

describe("signature lists", () => {
  it("stand one after the other, each with its sizes, as UEFI 2.10 section 32.4.1 has them", () => {
    const ownerHex = "11111111222233334444123456789abc";
    expect(encoded.toString("hex")).toBe(
      [
        ["a159c0a5e494a74a87b5ab155c2bf072", "44000000", "00000000", "28000000"],
        [ownerHex, Buffer.from("not really a certificate").toString("hex")],
        ["2616c4c14c509240aca941f936934328", "7c000000", "00000000", "30000000"],
        [ownerHex, "01".repeat(32), ownerHex, "02".repeat(32)],
      ]
        .flat()
        .join(""),
    );
    expect(readSignatureLists(encoded)).toEqual(lists);
    expect(encodeSignature({ owner, data: Buffer.from([7]) }).toString("hex")).toBe(`${ownerHex}07`);
    expect(readSignatureLists(Buffer.alloc(0))).toEqual([]);
  });

  it("are text that a person can check", () => {
    const unknown = { type: "00000000-0000-0000-0000-000000000001", header: Buffer.alloc(0) };
    const signatures = [{ owner, data: Buffer.alloc(65) }];
    expect(dumpSignatureLists([...lists, { ...unknown, signatures }])).toBe(
      [
        `x509 owner ${owner} 24 bytes (not a certificate)`,
        `sha256 owner ${owner} ${"01".repeat(32)}`,
        `sha256 owner ${owner} ${"02".repeat(32)}`,
        `${unknown.type} owner ${owner} 65 bytes sha256 98ce42deef51d40269d542f5314bef2c7468d401ad5d85168bfab4c0108f75f7`,
        "",
      ].join("\n"),
    );
  });

  it.each<[string, Buffer, string]>([
    ["half a header", encoded.subarray(0, 20), "EFI_SIGNATURE_LIST at 0x0: expected 28 bytes, got 20"],
    ["a cut list", encoded.subarray(0, 60), "signatureListSize at 0x10: expected 28..60, got 68"],
    ["a list without its header", changed("signatureListSize", 27), "signatureListSize at 0x10"],
    ["a list of 4 GiB", changed("signatureListSize", 0xffff_ffff), "got 4294967295"],
    ["a header that is too long", changed("signatureHeaderSize", 41), "expected at most 40, got 41"],
    ["a signature without its owner", changed("signatureSize", 15), "expected at least 16, got 15"],
    ["a signature of no size", changed("signatureSize", 0), "expected at least 16, got 0"],
    ["half a signature", changed("signatureSize", 39), "expected a divisor of 40, got 39"],
    ["bytes after the last list", Buffer.concat([encoded, Buffer.alloc(1)]), "EFI_SIGNATURE_LIST at 0xc0"],
    ["far too much", Buffer.alloc(MAX_SIGNATURE_LISTS_BYTES + 1), "expected at most 4194304 bytes"],
  ])("are refused with %s", (_, bytes, message) => {
    expect(() => readSignatureLists(bytes)).toThrow(FormatError);
    expect(() => readSignatureLists(bytes)).toThrow(message);
  });

  it("are read or refused, whatever the bytes", () => {
    const mutation = fc.tuple(fc.nat(encoded.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 6 }), (mutations) => {
        const bytes = Buffer.from(encoded);
        for (const [offset, value] of mutations) bytes[offset] = value;
        try {
          const read = readSignatureLists(bytes);
          dumpSignatureLists(read);
          const filled = read.filter(({ signatures }) => signatures.length > 0);
          if (filled.length === read.length) expect(encodeSignatureLists(read).equals(bytes)).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { seed: 1, numRuns: 3000 },
    );
  });
});
