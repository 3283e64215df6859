import { FormatError } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { makeFirmware, words } from "./firmware.fixture.ts";
import { readSevFirmware } from "./sev-metadata.ts";

const RESET_BLOCK = "00f771de-1a7e-4fcb-890e-68c77e2fb44e";
const HASH_TABLE = "7255371f-3a3b-4b04-927b-1da6efa8d454";
const SVSM_INFO = "a789a612-0597-4c4b-a49f-cbb1fe9d1ddd";
const METADATA = "dc886566-984a-4798-a75e-5585a7bf67cc";
const PAGE = [0x80_0000, 0x1000, 1] as const;

function head(signature: string, sizeBytes: number, version: number, items: number): Buffer {
  return Buffer.concat([Buffer.from(signature), words(sizeBytes, version, items)]);
}

describe("what firmware tells about SEV", () => {
  it("is in its tables", () => {
    const entries = {
      [RESET_BLOCK]: words(0x80_b004),
      [HASH_TABLE]: words(0x81_0c00, 0x400),
      [SVSM_INFO]: words(0x10),
    };
    const metadata = [
      [0x80_0000, 0x9000, 1],
      [0x81_0000, 0x1000, 0x10],
    ];
    expect(readSevFirmware(makeFirmware(entries, { metadata }))).toEqual({
      metadata: [
        { gpa: 0x80_0000, sizeBytes: 0x9000, type: 1 },
        { gpa: 0x81_0000, sizeBytes: 0x1000, type: 0x10 },
      ],
      resetEip: 0x80_b004,
      hashTable: { gpa: 0x81_0c00, sizeBytes: 0x400 },
      svsmEntryOffset: 0x10,
    });
  });

  it("is nothing without tables, and nothing where addresses are zero", () => {
    const nothing = { metadata: undefined, resetEip: undefined, hashTable: undefined, svsmEntryOffset: undefined };
    expect(readSevFirmware(Buffer.alloc(4096))).toEqual(nothing);
    expect(readSevFirmware(makeFirmware({ [RESET_BLOCK]: words(0), [HASH_TABLE]: words(0, 0) }))).toEqual(nothing);
  });

  it.each([
    ["a reset block of two bytes", makeFirmware({ [RESET_BLOCK]: Buffer.alloc(2) })],
    ["an area for hashes without its size", makeFirmware({ [HASH_TABLE]: words(1) })],
    ["metadata before the file", makeFirmware({ [METADATA]: words(0x2000) })],
    ["metadata that the file ends in", makeFirmware({ [METADATA]: words(8) })],
    ["metadata of another signature", makeFirmware({}, { metadata: [PAGE], head: head("ASEX", 28, 1, 1) })],
    ["metadata of another version", makeFirmware({}, { metadata: [PAGE], head: head("ASEV", 28, 2, 1) })],
    ["more items than its size has room for", makeFirmware({}, { metadata: [PAGE], head: head("ASEV", 28, 1, 2) })],
    ["more items than the file has", makeFirmware({}, { metadata: [PAGE], head: head("ASEV", ~0 >>> 0, 1, 999) })],
    ["a size below its own header's", makeFirmware({}, { metadata: [PAGE], head: head("ASEV", 3, 1, 1) })],
    ["pages that begin inside one", makeFirmware({}, { metadata: [[0x80_0010, 0x1000, 1]] })],
    ["half a page", makeFirmware({}, { metadata: [[0x80_0000, 0x800, 1]] })],
    ["more pages than memory that is worth hashing", makeFirmware({}, { metadata: [[0, 0xffff_f000, 1]] })],
    ["too many items", makeFirmware({}, { metadata: Array.from({ length: 1025 }, () => PAGE), pages: 4 })],
  ])("is refused where it has %s", (_, firmware) => {
    expect(() => readSevFirmware(firmware)).toThrow(FormatError);
  });
});
