import { FormatError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeEfiTime, EfiTime } from "../efi-time.ts";
import { digestList, encodeSignatureLists } from "../signature-list/writer.ts";
import { dumpAuthenticatedVariable } from "./dump.ts";
import { WinCertificateUefiGuid } from "./format.ts";
import { readAuthenticatedVariable } from "./reader.ts";

const timestamp = new Date("2020-01-02T03:04:05Z");
const owner = "11111111-2222-3333-4444-123456789abc";
const data = encodeSignatureLists([digestList({ owner, sha256: [Buffer.alloc(32, 1)] })]);
const signature = Buffer.from("3003020101", "hex");
const certificate = WinCertificateUefiGuid.encode({
  dwLength: WinCertificateUefiGuid.sizeBytes + signature.length,
  wRevision: 0x0200,
  wCertificateType: 0x0ef1,
  certType: "4aafd29d-68df-49ee-8aa9-347d375665a7",
});
const file = Buffer.concat([encodeEfiTime(timestamp), certificate, signature, data]);

function changed(field: Parameters<typeof WinCertificateUefiGuid.offsetOf>[0], bytes: number[]): Buffer {
  const copy = Buffer.from(file);
  copy.set(bytes, EfiTime.sizeBytes + WinCertificateUefiGuid.offsetOf(field));
  return copy;
}

describe("readAuthenticatedVariable", () => {
  it("parts time, signature and content", () => {
    expect(readAuthenticatedVariable(file)).toEqual({ timestamp, signature, data });
    expect(dumpAuthenticatedVariable({ timestamp, signature, data })).toBe(
      `timestamp = 2020-01-02T03:04:05.000Z\nsignature = 5 bytes\nsha256 owner ${owner} ${"01".repeat(32)}\n`,
    );
  });

  it("takes no time for none, as in files that append", () => {
    const appending = Buffer.concat([Buffer.alloc(16), certificate, signature]);
    expect(readAuthenticatedVariable(appending)).toMatchObject({ timestamp: undefined, data: Buffer.alloc(0) });
  });

  it.each<[string, Buffer, string]>([
    ["half a time", file.subarray(0, 15), "EFI_TIME at 0x0: expected 16 bytes, got 15"],
    ["half a certificate", file.subarray(0, 39), "WIN_CERTIFICATE_UEFI_GUID at 0x10: expected 24 bytes, got 23"],
    ["another revision", changed("wRevision", [0, 1]), "wRevision: expected 512, got 256"],
    ["a certificate of Authenticode", changed("wCertificateType", [2, 0]), "wCertificateType: expected 3825, got 2"],
    ["a signature that is not PKCS #7", changed("certType", [0]), "certType: expected 4aafd29d"],
    ["no signature", changed("dwLength", [24, 0, 0, 0]), "dwLength: expected 25..105, got 24"],
    ["a signature beyond the file", changed("dwLength", [106, 0, 0, 0]), "got 106"],
    ["far too much", Buffer.alloc((1 << 22) + 1), "expected at most 4194304 bytes"],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => readAuthenticatedVariable(bytes)).toThrow(FormatError);
    expect(() => readAuthenticatedVariable(bytes)).toThrow(message);
  });

  it("reads or refuses, whatever the bytes", () => {
    const mutation = fc.tuple(fc.nat(file.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), fc.nat(file.length), (mutations, cut) => {
        const bytes = Buffer.from(file.subarray(0, cut % 4 === 0 ? cut : file.length));
        for (const [offset, value] of mutations) if (offset < bytes.length) bytes[offset] = value;
        try {
          dumpAuthenticatedVariable(readAuthenticatedVariable(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { seed: 1, numRuns: 3000 },
    );
  });
});
