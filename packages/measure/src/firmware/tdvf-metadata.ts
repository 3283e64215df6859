import { ascii, decodeGuid, FormatError, type Guid, record, u32le, u64le, type ValueOf } from "@cvm-build/bytes";
import { readGuidTable } from "./guid-table.ts";

/** Head of the list of sections. @see Intel TDX Virtual Firmware Design Guide, "TDVF Descriptor" */
const TdvfDescriptor = record("TDVF_DESCRIPTOR", 16, {
  signature: [0x00, ascii(4)],
  lengthBytes: [0x04, u32le],
  version: [0x08, u32le],
  sectionCount: [0x0c, u32le],
});

/** @see Intel TDX Virtual Firmware Design Guide, "TDVF_SECTION" */
const TdvfSectionRecord = record("TDVF_SECTION", 32, {
  dataOffset: [0x00, u32le],
  rawDataSizeBytes: [0x04, u32le],
  memoryAddress: [0x08, u64le],
  memoryDataSizeBytes: [0x10, u64le],
  type: [0x18, u32le],
  attributes: [0x1c, u32le],
});

/**
 * Types of sections by number. @see td-shim specification, table 1.1-4; the design guide has the first four
 */
const SECTION_TYPES = [
  "BFV",
  "CFV",
  "TD_HOB",
  "TempMem",
  "PermMem",
  "Payload",
  "PayloadParam",
  "TD_INFO",
  "TD_PARAMS",
] as const;

/** What a section is for: code, variables, the hand-off from the VMM, memory. */
export type TdvfSectionType = (typeof SECTION_TYPES)[number];

/** A stretch of the guest's memory that the VMM prepares before the first instruction. */
export interface TdvfSection {
  type: TdvfSectionType;
  /** Where its bytes are in the file, and how many; memory beyond them is zero. */
  dataOffset: number;
  rawDataSizeBytes: number;
  /** Where it is in the guest, and how much. */
  memoryAddress: number;
  memoryDataSizeBytes: number;
  /** Whether its bytes are measured. */
  isExtended: boolean;
  /** Whether the guest itself accepts it; then nothing of it is measured. */
  isAugmented: boolean;
}

/** What firmware for TDX asks of the VMM. */
export interface TdvfMetadata {
  /** In the order in which they are added to the guest. */
  sections: TdvfSection[];
}

const METADATA_OFFSET: Guid = "e47a6535-984a-4798-865e-4685a7bf8ec2";
const METADATA: Guid = "e9eaf9f3-168e-44d5-a8eb-7f4d8738f6ae";
const GUID_BYTES = 16;
/** Where td-shim without a table of GUIDs tells its descriptor's offset, from the end. */
const TD_SHIM_POINTER_FROM_END = 32;
const ATTRIBUTES = { extendMr: 1, pageAug: 2 } as const;
const PAGE_BYTES = 4096;
/** Sections whose bytes stay in the file. */
const WITHOUT_MEMORY: readonly TdvfSectionType[] = ["TD_INFO", "TD_PARAMS"];

/** More than any firmware has, and little enough to be hashed. */
const LIMITS = { sections: 256, addedBytes: 2 ** 30, extendedBytes: 2 ** 27, address: 2 ** 52 } as const;

/**
 * Reads what firmware for TDX (OVMF, or td-shim of either form) tells the VMM to put into the guest.
 * @param firmware the whole file that the VMM loads
 * @throws FormatError also where the firmware is not for TDX
 * @see Intel TDX Virtual Firmware Design Guide, "TDVF Metadata"; td-shim specification, part I
 */
export function readTdvfMetadata(firmware: Buffer): TdvfMetadata {
  const offset = findDescriptor(firmware);
  const descriptor = TdvfDescriptor.decode(firmware, offset);
  check(descriptor.signature === "TDVF", { field: "signature", offset }, `"TDVF"`, descriptor.signature);
  check(descriptor.version === 1, { field: "version", offset }, "1", descriptor.version);
  const { sectionCount } = descriptor;
  const isCount = sectionCount >= 1 && sectionCount <= LIMITS.sections;
  check(isCount, { field: "sectionCount", offset }, `1 to ${LIMITS.sections}`, sectionCount);
  const lengthBytes = TdvfDescriptor.sizeBytes + sectionCount * TdvfSectionRecord.sizeBytes;
  check(
    descriptor.lengthBytes === lengthBytes,
    { field: "lengthBytes", offset },
    `${lengthBytes}`,
    descriptor.lengthBytes,
  );
  const sections = Array.from({ length: sectionCount }, (_, index) =>
    readSection(firmware, offset + TdvfDescriptor.sizeBytes + index * TdvfSectionRecord.sizeBytes),
  );
  checkAsAWhole(sections, offset);
  return { sections };
}

/** The bytes of a section that the file holds. */
export function sectionBytes(firmware: Buffer, { dataOffset, rawDataSizeBytes }: TdvfSection): Buffer {
  return firmware.subarray(dataOffset, dataOffset + rawDataSizeBytes);
}

/** @returns offset of the descriptor, which its GUID precedes */
function findDescriptor(firmware: Buffer): number {
  const entry = readGuidTable(firmware).get(METADATA_OFFSET);
  const pointer = firmware.length - TD_SHIM_POINTER_FROM_END;
  if (entry === undefined && pointer >= 0) {
    const offset = firmware.readUInt32LE(pointer);
    if (hasMetadataGuid(firmware, offset)) return offset;
  }
  if (entry === undefined || entry.length < 4) {
    throw new FormatError({ record: "TDVF_DESCRIPTOR" }, "expected firmware with metadata for TDX, got none");
  }
  const fromEnd = entry.readUInt32LE(entry.length - 4);
  const offset = firmware.length - fromEnd;
  check(hasMetadataGuid(firmware, offset), { field: "guid", offset: Math.max(offset, 0) }, METADATA, "another");
  return offset;
}

function hasMetadataGuid(firmware: Buffer, offset: number): boolean {
  const start = offset - GUID_BYTES;
  return start >= 0 && offset <= firmware.length && decodeGuid(firmware.subarray(start, offset)) === METADATA;
}

function readSection(firmware: Buffer, offset: number): TdvfSection {
  const section: ValueOf<typeof TdvfSectionRecord> = TdvfSectionRecord.decode(firmware, offset);
  const type = SECTION_TYPES[section.type];
  if (type === undefined) {
    throw misfit({ field: "type", offset }, `0 to ${SECTION_TYPES.length - 1}`, section.type);
  }
  const { dataOffset, rawDataSizeBytes, attributes } = section;
  const known = ATTRIBUTES.extendMr | ATTRIBUTES.pageAug;
  check((attributes & ~known) === 0, { field: "attributes", offset }, `0 to ${known}`, attributes);
  const roomBytes = Math.max(firmware.length - dataOffset, 0);
  check(
    rawDataSizeBytes === 0 || rawDataSizeBytes <= roomBytes,
    { field: "rawDataSizeBytes", offset },
    `at most ${roomBytes}`,
    rawDataSizeBytes,
  );
  const { memoryAddress, memoryDataSizeBytes } = section;
  const isPlaced =
    isWholePages(memoryAddress) &&
    isWholePages(memoryDataSizeBytes) &&
    memoryAddress + memoryDataSizeBytes <= BigInt(LIMITS.address);
  check(isPlaced, { field: "memoryAddress", offset }, "whole pages of a guest's memory", memoryAddress);
  const fits = WITHOUT_MEMORY.includes(type) || memoryDataSizeBytes >= BigInt(rawDataSizeBytes);
  check(fits, { field: "memoryDataSizeBytes", offset }, `at least ${rawDataSizeBytes}`, memoryDataSizeBytes);
  return {
    type,
    dataOffset,
    rawDataSizeBytes,
    memoryAddress: Number(memoryAddress),
    memoryDataSizeBytes: Number(memoryDataSizeBytes),
    isExtended: (attributes & ATTRIBUTES.extendMr) !== 0,
    isAugmented: (attributes & ATTRIBUTES.pageAug) !== 0,
  };
}

function checkAsAWhole(sections: readonly TdvfSection[], offset: number): void {
  const total = (measured: readonly TdvfSection[]) =>
    measured.reduce((sum, { memoryDataSizeBytes }) => sum + memoryDataSizeBytes, 0);
  const added = total(sections.filter(({ isAugmented }) => !isAugmented));
  const place = { field: "memoryDataSizeBytes", offset };
  check(added <= LIMITS.addedBytes, place, `at most ${LIMITS.addedBytes} in all`, added);
  const extended = total(sections.filter(({ isExtended }) => isExtended));
  check(extended <= LIMITS.extendedBytes, place, `at most ${LIMITS.extendedBytes} measured`, extended);
  const hobs = sections.filter(({ type }) => type === "TD_HOB").length;
  check(hobs <= 1, { field: "type", offset }, "at most one TD_HOB", hobs);
}

function isWholePages(value: bigint): boolean {
  return value % BigInt(PAGE_BYTES) === 0n;
}

function check(
  holds: boolean,
  place: { field: string; offset: number },
  expected: string,
  got: string | number | bigint,
): void {
  if (!holds) throw misfit(place, expected, got);
}

function misfit({ field, offset }: { field: string; offset: number }, expected: string, got: unknown): FormatError {
  return new FormatError({ record: "TDVF_SECTION", field, offsetBytes: offset }, `expected ${expected}, got ${got}`);
}
