import { ascii, FormatError, type Guid, record, u32le, type ValueOf } from "@cvm-build/bytes";
import { readGuidTable } from "./guid-table.ts";

/**
 * Head of the list of pages that firmware has the VMM prepare: 16 bytes.
 * @see EDK2 `OvmfPkg/ResetVector/X64/OvmfSevMetadata.asm`
 */
const SevMetadataHeader = record("OvmfSevMetadata", 16, {
  signature: [0x00, ascii(4)],
  /** Of the whole list, with this. */
  sizeBytes: [0x04, u32le],
  version: [0x08, u32le],
  itemCount: [0x0c, u32le],
});

const SevMetadataRecord = record("OvmfSevMetadataDesc", 12, {
  gpa: [0x00, u32le],
  sizeBytes: [0x04, u32le],
  type: [0x08, u32le],
});

/** Pages that firmware has the VMM prepare; none in firmware that is for TDX alone, such as Debian's. */
export type SevMetadataItem = ValueOf<typeof SevMetadataRecord>;

/** What pages are for, by `type` of an item. @see EDK2 `OvmfPkg/ResetVector/X64/OvmfSevMetadata.asm` */
export const SEV_METADATA_TYPES = {
  SNP_SEC_MEM: 1,
  SNP_SECRETS: 2,
  CPUID: 3,
  SVSM_CAA: 4,
  SNP_KERNEL_HASHES: 0x10,
} as const;

/** What firmware tells a VMM that starts it under SEV. */
export interface SevFirmware {
  /** In the order of the table, which is that of measuring; undefined where the firmware has none. */
  metadata: readonly SevMetadataItem[] | undefined;
  /** Where other vCPUs than the first start: CS base in the upper half, RIP in the lower. */
  resetEip: number | undefined;
  /** Where the VMM puts the hashes of kernel, initrd and command line. */
  hashTable: { gpa: number; sizeBytes: number } | undefined;
  /** Where an SVSM starts, from its first byte. */
  svsmEntryOffset: number | undefined;
}

const METADATA: Guid = "dc886566-984a-4798-a75e-5585a7bf67cc";
const RESET_BLOCK: Guid = "00f771de-1a7e-4fcb-890e-68c77e2fb44e";
const HASH_TABLE: Guid = "7255371f-3a3b-4b04-927b-1da6efa8d454";
const SVSM_INFO: Guid = "a789a612-0597-4c4b-a49f-cbb1fe9d1ddd";

/** Bytes of a page. */
export const PAGE_BYTES = 4096;
/** Limits of what is accepted; real firmware has ten items of thirty pages in all. */
const LIMITS = { items: 1024, pages: 1 << 14 } as const;

/**
 * Reads what OVMF, or an SVSM of the same form, tells about SEV.
 * @param firmware the whole file
 * @throws FormatError where it tells what no VMM can do
 */
export function readSevFirmware(firmware: Buffer): SevFirmware {
  const table = readGuidTable(firmware);
  const resetBlock = wordsOf(table, RESET_BLOCK, 1)?.[0];
  const hashTable = wordsOf(table, HASH_TABLE, 2);
  const metadata = wordsOf(table, METADATA, 1)?.[0];
  return {
    metadata: metadata === undefined ? undefined : readMetadata(firmware, metadata),
    // QEMU refuses an address of zero, with which other VMMs never start a vCPU either.
    resetEip: resetBlock || undefined,
    hashTable: hashTable?.[0] ? { gpa: hashTable[0], sizeBytes: hashTable[1] ?? 0 } : undefined,
    svsmEntryOffset: wordsOf(table, SVSM_INFO, 1)?.[0],
  };
}

/** The first `count` words of an entry's data. */
function wordsOf(table: ReadonlyMap<Guid, Buffer>, guid: Guid, count: number): number[] | undefined {
  const data = table.get(guid);
  if (!data) return undefined;
  if (data.length < 4 * count) {
    throw new FormatError({ record: "GuidTableEntry", field: guid }, `expected ${4 * count} bytes, got ${data.length}`);
  }
  return Array.from({ length: count }, (_, index) => data.readUInt32LE(4 * index));
}

function readMetadata(firmware: Buffer, offsetFromEnd: number): SevMetadataItem[] {
  const start = firmware.length - offsetFromEnd;
  if (start < 0) {
    const expectation = `expected at most ${firmware.length} bytes from the end, got ${offsetFromEnd}`;
    throw new FormatError({ record: "GuidTableEntry", field: METADATA }, expectation);
  }
  const fail = (field: keyof ValueOf<typeof SevMetadataHeader>, expectation: string): never => {
    throw new FormatError({ record: "OvmfSevMetadata", field, offsetBytes: start }, expectation);
  };
  const header = SevMetadataHeader.decode(firmware, start);
  if (header.signature !== "ASEV") fail("signature", `expected ASEV, got ${JSON.stringify(header.signature)}`);
  if (header.version !== 1) fail("version", `expected 1, got ${header.version}`);
  const room = Math.min(header.sizeBytes, firmware.length - start) - SevMetadataHeader.sizeBytes;
  const most = Math.min(LIMITS.items, Math.floor(room / SevMetadataRecord.sizeBytes));
  if (header.itemCount > most) fail("itemCount", `expected at most ${Math.max(most, 0)}, got ${header.itemCount}`);
  let pages = 0;
  return Array.from({ length: header.itemCount }, (_, index) => {
    const offset = start + SevMetadataHeader.sizeBytes + index * SevMetadataRecord.sizeBytes;
    const item = SevMetadataRecord.decode(firmware, offset);
    pages += item.sizeBytes / PAGE_BYTES;
    checkItem(item, { offset, pages });
    return item;
  });
}

function checkItem(item: SevMetadataItem, place: { offset: number; pages: number }): void {
  const fail = (field: keyof SevMetadataItem, expectation: string): never => {
    throw new FormatError({ record: "OvmfSevMetadataDesc", field, offsetBytes: place.offset }, expectation);
  };
  if (item.gpa % PAGE_BYTES !== 0) fail("gpa", `expected the start of a page, got 0x${item.gpa.toString(16)}`);
  if (item.sizeBytes % PAGE_BYTES !== 0) fail("sizeBytes", `expected whole pages, got ${item.sizeBytes} bytes`);
  if (place.pages > LIMITS.pages) fail("sizeBytes", `expected at most ${LIMITS.pages} pages in all`);
}
