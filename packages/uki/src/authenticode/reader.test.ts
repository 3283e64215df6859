import { bytesSource, FormatError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { leaf } from "../cms/signed-data.fixture.ts";
import { DataDirectory, SECURITY_DIRECTORY } from "../pe/format.ts";
import { readPe } from "../pe/reader.ts";
import { dumpCertificateTable } from "./dump.ts";
import { WinCertificate } from "./format.ts";
import { makeImage, makeSigned } from "./image.fixture.ts";
import { readCertificateTable } from "./reader.ts";
import { verifyPe } from "./verify.ts";

const signed = await makeSigned();
const { directoriesOffset, directories } = readPe(bytesSource(signed));
const directory = directories[SECURITY_DIRECTORY] as DataDirectory;
const directoryOffset = directoriesOffset + SECURITY_DIRECTORY * DataDirectory.sizeBytes;

/** The signed image with its table replaced, and the directory saying so unless it is given. */
function withTable(table: Buffer, changed: Partial<DataDirectory> = {}): Buffer {
  const bytes = Buffer.concat([signed.subarray(0, directory.virtualAddress), table]);
  DataDirectory.encode({ ...directory, sizeBytes: table.length, ...changed }).copy(bytes, directoryOffset);
  return bytes;
}

const entry = (lengthBytes: number, sizeBytes = lengthBytes, certificateType = 2) => {
  const bytes = Buffer.alloc(sizeBytes);
  WinCertificate.encode({ lengthBytes, revision: 0x200, certificateType }).copy(bytes);
  return bytes;
};

describe("readCertificateTable", () => {
  it("reads what was written, as text that a person can check", () => {
    expect(dumpCertificateTable(bytesSource(signed))).toBe(
      [
        "[certificate at 0x800]",
        "lengthBytes = 0x4e0",
        "revision = 0x200",
        "certificateType = 0x2",
        "version = 1",
        "content = 1.3.6.1.4.1.311.2.1.4, 104 bytes, tag 0x30",
        'certificate = "CN=leaf" RSA-2048, 1234 of "CN=root"',
        "[signer 02021234]",
        "digestAlgorithm = 2.16.840.1.101.3.4.2.1",
        "signed 1.2.840.113549.1.9.3 = 060a2b060104018237020104",
        // As osslsigncode says of what sbsign made of this image.
        "signed 1.2.840.113549.1.9.4 = 04208ac8aa298a2cfc20b72dd43022821b0a351ee5e1c70773b4557f0fe50e24fa70",
        "signatureAlgorithm = 1.2.840.113549.1.1.1",
        "signature = 256 bytes",
        // As pesign -h says.
        "imageDigest = 4fb9622f33492ac355875ca36163a65ef53f11f99aff7fa7485459d70f2a0d05 by 2.16.840.1.101.3.4.2.1",
        "",
      ].join("\n"),
    );
  });

  it("finds none in an unsigned image, and each in one that has several", async () => {
    expect(readCertificateTable(bytesSource(makeImage()))).toEqual([]);
    const twice = readCertificateTable(bytesSource(await makeSigned(makeImage(), 2)));
    expect(twice.map(({ offsetBytes }) => offsetBytes)).toEqual([0x800, 0x800 + directory.sizeBytes]);
  });

  it("takes a length that counts the padding, as osslsigncode writes, and one that does not, as sbsign", () => {
    const contents = signed.subarray(directory.virtualAddress + WinCertificate.sizeBytes);
    for (const lengthBytes of [0x4e0, 0x4df]) {
      const table = Buffer.concat([entry(lengthBytes, 8), contents]);
      expect(verifyPe(bytesSource(withTable(table)), { trusted: [leaf.certificate] }).isTrusted).toBe(true);
    }
  });

  it.each<[string, Buffer, string]>([
    ["a header that is cut", withTable(Buffer.alloc(4)), "WIN_CERTIFICATE at 0x0: expected 8 bytes, got 4"],
    [
      "an entry shorter than its header",
      withTable(entry(7, 8)),
      "WIN_CERTIFICATE.lengthBytes at 0x800: expected 8..8, got 7",
    ],
    ["an entry of no length", withTable(entry(0, 8)), "expected 8..8, got 0"],
    ["an entry beyond the table", withTable(entry(17, 16)), "expected 8..16, got 17"],
    ["the longest entry", withTable(entry(0xffff_ffff, 16)), "expected 8..16, got 4294967295"],
    ["a table that ends before the file", withTable(entry(16, 24), { sizeBytes: 16 }), "at the end of the file's 2072"],
    ["a table within the headers", withTable(entry(16), { virtualAddress: 0x100 }), "DataDirectory.security"],
    ["a table beyond the file", withTable(entry(16), { virtualAddress: 0xffff_fff8 }), "DataDirectory.security"],
    ["33 entries", withTable(Buffer.concat(Array.from({ length: 33 }, () => entry(8)))), "expected at most 32 entries"],
    ["more than a MiB", withTable(entry((1 << 20) + 8)), "expected at most 1048576 bytes"],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => readCertificateTable(bytesSource(bytes))).toThrow(FormatError);
    expect(() => readCertificateTable(bytesSource(bytes))).toThrow(message);
  });

  it("gives a verdict or a FormatError for damaged images, and trusts none whose signed bytes are", () => {
    const original = signed;
    const change = fc.tuple(fc.nat(original.length - 1), fc.nat(255));
    const covered = (bytes: Buffer) => {
      const copy = Buffer.from(bytes.subarray(0, directory.virtualAddress));
      copy.fill(0, 0x98, 0x9c);
      return copy.fill(0, directoryOffset, directoryOffset + DataDirectory.sizeBytes);
    };
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), fc.nat(4 * original.length), (changes, cut) => {
        const bytes = Buffer.from(original.subarray(0, cut));
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        try {
          const { isTrusted } = verifyPe(bytesSource(bytes), { trusted: [leaf.certificate] });
          if (isTrusted) expect(covered(bytes)).toEqual(covered(original));
          dumpCertificateTable(bytesSource(bytes));
        } catch (error) {
          if (!(error instanceof FormatError)) throw error;
        }
      }),
      { seed: 13, numRuns: 4000 },
    );
  });
});
