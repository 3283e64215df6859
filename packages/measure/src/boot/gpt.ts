import { FormatError, raw, record, u32le, u64le } from "@cvm-build/bytes";

/** @see UEFI Specification 2.10, table 5.5, "GPT Header" */
const GptHeader = record("GptHeader", 92, {
  signature: [0x00, raw(8)],
  revision: [0x08, u32le],
  headerSizeBytes: [0x0c, u32le],
  headerCrc32: [0x10, u32le],
  reserved: [0x14, u32le],
  myLba: [0x18, u64le],
  alternateLba: [0x20, u64le],
  firstUsableLba: [0x28, u64le],
  lastUsableLba: [0x30, u64le],
  diskGuid: [0x38, raw(16)],
  partitionEntryLba: [0x48, u64le],
  partitionCount: [0x50, u32le],
  partitionEntryBytes: [0x54, u32le],
  partitionsCrc32: [0x58, u32le],
});

const SIGNATURE = Buffer.from("EFI PART", "latin1");
const SECTOR_BYTES = 512;
/** Size of an entry on disks; the specification allows larger ones, which nobody writes. */
const ENTRY_BYTES = 128;
const MAX_ENTRIES = 1024;
/** The type of an entry that is not in use. */
const UNUSED_TYPE = Buffer.alloc(16);

/**
 * What firmware measures of the disk that it boots from: header, number of partitions, their entries.
 * @param disk its first sectors, of 512 bytes, up to the end of the partition table
 * @throws FormatError where they hold no GUID partition table
 * @see TCG PC Client Platform Firmware Profile, "UEFI_GPT_DATA"
 */
export function gptEventData(disk: Uint8Array): Buffer {
  const bytes = Buffer.from(disk.buffer, disk.byteOffset, disk.byteLength);
  const header = GptHeader.decode(bytes, SECTOR_BYTES);
  const refuse = (field: string, expectation: string) =>
    new FormatError({ record: "GptHeader", field, offsetBytes: SECTOR_BYTES }, expectation);
  if (!header.signature.equals(SIGNATURE)) throw refuse("signature", 'expected "EFI PART"');
  const { partitionCount, partitionEntryBytes, partitionEntryLba } = header;
  if (partitionEntryBytes !== ENTRY_BYTES) {
    throw refuse("partitionEntryBytes", `expected ${ENTRY_BYTES}, got ${partitionEntryBytes}`);
  }
  const start = Number(partitionEntryLba) * SECTOR_BYTES;
  if (partitionCount > MAX_ENTRIES || start + partitionCount * ENTRY_BYTES > bytes.length) {
    throw refuse("partitionCount", `expected entries within ${bytes.length} bytes, got ${partitionCount} at ${start}`);
  }
  const entries = Array.from({ length: partitionCount }, (_, index) =>
    bytes.subarray(start + index * ENTRY_BYTES, start + (index + 1) * ENTRY_BYTES),
  ).filter((entry) => !entry.subarray(0, UNUSED_TYPE.length).equals(UNUSED_TYPE));
  const count = Buffer.alloc(8);
  count.writeUInt32LE(entries.length);
  return Buffer.concat([bytes.subarray(SECTOR_BYTES, SECTOR_BYTES + GptHeader.sizeBytes), count, ...entries]);
}
