import { FormatError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readTdvfMetadata, sectionBytes } from "./tdvf-metadata.ts";
import { type MadeSection, makeTdvf } from "./tdvf.fixture.ts";

const BFV: MadeSection = {
  dataOffset: 0x1000,
  rawDataSizeBytes: 0x2000,
  memoryAddress: 0xffff_e000,
  memoryDataSizeBytes: 0x2000,
  type: 0,
  attributes: 1,
};
const TD_HOB: MadeSection = { memoryAddress: 0x80_9000, memoryDataSizeBytes: 0x2000, type: 2 };
const PERM_MEM: MadeSection = { memoryAddress: 0, memoryDataSizeBytes: 2 ** 40, type: 4, attributes: 2 };
const TD_INFO: MadeSection = { dataOffset: 0x1800, rawDataSizeBytes: 28, type: 7 };

describe("readTdvfMetadata", () => {
  it.each(["ovmf", "td-shim"] as const)("reads sections of %s", (form) => {
    const firmware = makeTdvf([BFV, TD_HOB, PERM_MEM, TD_INFO], { form });
    const { sections } = readTdvfMetadata(firmware);
    expect(sections.map(({ type, isExtended, isAugmented }) => [type, isExtended, isAugmented])).toEqual([
      ["BFV", true, false],
      ["TD_HOB", false, false],
      ["PermMem", false, true],
      ["TD_INFO", false, false],
    ]);
    expect(sections[0]).toMatchObject({ memoryAddress: 0xffff_e000, memoryDataSizeBytes: 0x2000 });
    expect(sections.map((section) => sectionBytes(firmware, section).length)).toEqual([0x2000, 0, 0, 28]);
    expect(sections.map((section) => sectionBytes(firmware, section)[0])).toEqual([
      0x1000 % 251,
      undefined,
      undefined,
      0x1800 % 251,
    ]);
  });

  it.each([
    ["firmware without metadata", Buffer.alloc(0x1000)],
    ["no firmware at all", Buffer.alloc(0)],
    ["another GUID before the descriptor", makeTdvf([BFV], { guid: "00000000-0000-0000-0000-000000000000" })],
    ["another signature", makeTdvf([BFV], { descriptor: { signature: "TDVX" } })],
    ["another version", makeTdvf([BFV], { descriptor: { version: 2 } })],
    ["a length that is not that of its sections", makeTdvf([BFV], { descriptor: { lengthBytes: 80 } })],
    ["no sections", makeTdvf([])],
    ["more sections than there are bytes", makeTdvf([BFV], { descriptor: { sectionCount: 200, lengthBytes: 6416 } })],
    ["sections without end", makeTdvf([BFV], { descriptor: { sectionCount: 2 ** 31, lengthBytes: 16 } })],
    ["a type that is reserved", makeTdvf([{ ...TD_HOB, type: 9 }])],
    ["an attribute that is reserved", makeTdvf([{ ...TD_HOB, attributes: 4 }])],
    ["bytes beyond the file", makeTdvf([{ ...BFV, dataOffset: 0xffff_f000 }])],
    ["an address within a page", makeTdvf([{ ...TD_HOB, memoryAddress: 0x80_9001 }])],
    ["a size that is no whole pages", makeTdvf([{ ...TD_HOB, memoryDataSizeBytes: 0x1800 }])],
    ["memory beyond all addresses", makeTdvf([{ ...TD_HOB, memoryAddress: 0xffff_ffff_ffff_f000n }])],
    ["more bytes than memory", makeTdvf([{ ...BFV, memoryDataSizeBytes: 0x1000 }])],
    ["two lists of hand-off blocks", makeTdvf([TD_HOB, TD_HOB])],
    ["more memory to add than can be hashed", makeTdvf([{ ...PERM_MEM, attributes: 0 }])],
    [
      "more memory to measure than can be hashed",
      makeTdvf([{ ...TD_HOB, memoryDataSizeBytes: 2 ** 28, attributes: 1 }]),
    ],
  ])("refuses %s", (_, firmware) => {
    expect(() => readTdvfMetadata(firmware)).toThrow(FormatError);
  });

  it("reads mutated firmware or refuses it", () => {
    const whole = [makeTdvf([BFV, TD_HOB]), makeTdvf([BFV, TD_HOB], { form: "td-shim" })];
    const mutation = fc.record({
      base: fc.constantFrom(...whole),
      fromEnd: fc.integer({ min: 1, max: 160 }),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }),
      cut: fc.nat({ max: 64 }),
    });
    fc.assert(
      fc.property(mutation, ({ base, fromEnd, bytes, cut }) => {
        const firmware = Buffer.from(base);
        firmware.set(bytes.subarray(0, fromEnd), firmware.length - fromEnd);
        try {
          for (const section of readTdvfMetadata(firmware.subarray(cut)).sections) {
            expect(sectionBytes(firmware.subarray(cut), section)).toHaveLength(section.rawDataSizeBytes);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { numRuns: 3000 },
    );
  });
});
