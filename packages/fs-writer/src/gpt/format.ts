import { type FieldType, guid, raw, record, u16le, u32le, u64le, u8, type ValueOf } from "@cvm-build/bytes";

/** Size of the sectors of the disks that are written. */
export const SECTOR_BYTES = 512;
/** Sector sizes of disks that are read. */
export const SECTOR_SIZES = [512, 4096] as const;

/** First bytes of a header. */
export const GPT_SIGNATURE = Buffer.from("EFI PART", "latin1");
/** Revision 1.0, the only one. */
export const GPT_REVISION = 0x0001_0000;
/** Where the primary header lies. */
export const GPT_HEADER_LBA = 1;
/** How many entries a table has that is written: the specification's minimum of 16 KiB, as everybody has it. */
export const GPT_ENTRIES = 128;
/** Largest table that is read, and its largest entries: nobody writes more than the minimum of either. */
export const MAX_GPT_ENTRIES = 1024;
export const MAX_GPT_ENTRY_BYTES = 4096;

/** Text in UTF-16, padded with NULs that decoding strips. */
function utf16le(units: number): FieldType<string> {
  return {
    name: `utf16le(${units})`,
    sizeBytes: 2 * units,
    put: (view, offset, value) => void view.write(value, offset, "utf16le"),
    get(view, offset) {
      const text = view.toString("utf16le", offset, offset + 2 * units);
      const end = text.indexOf("\0");
      return end < 0 ? text : text.slice(0, end);
    },
    refuse: (value) => (value.length <= units ? undefined : `at most ${units} UTF-16 units`),
    show: (value) => JSON.stringify(value),
  };
}

/** How many UTF-16 units a partition's label has at most. */
export const MAX_LABEL_UNITS = 36;

/** Entry of a legacy partition table. @see UEFI Specification 2.10, 5.2.1 */
export const MbrPartition = record("MbrPartition", 16, {
  bootIndicator: [0x00, u8],
  /** Cylinder, head, sector. */
  start: [0x01, raw(3)],
  osType: [0x04, u8],
  end: [0x05, raw(3)],
  startingLba: [0x08, u32le],
  sizeSectors: [0x0c, u32le],
});

/** First sector of a disk, which says to what does not know GPT that it is full. @see UEFI Specification 2.10, 5.2.3 */
export const ProtectiveMbr = record("ProtectiveMbr", 512, {
  bootCode: [0x000, raw(440)],
  diskSignature: [0x1b8, u32le],
  unknown: [0x1bc, u16le],
  partition: [0x1be, raw(16)],
  otherPartitions: [0x1ce, raw(48)],
  signature: [0x1fe, u16le],
});
/** The partition type that stands for the whole of a disk with a GPT. */
export const PROTECTIVE_OS_TYPE = 0xee;
/** Last bytes of a legacy boot record. */
export const MBR_SIGNATURE = 0xaa55;

/** @see UEFI Specification 2.10, table 5.5, "GPT Header" */
export const GptHeader = record("GptHeader", 92, {
  signature: [0x00, raw(8)],
  revision: [0x08, u32le],
  headerSizeBytes: [0x0c, u32le],
  headerCrc32: [0x10, u32le],
  reserved: [0x14, u32le],
  myLba: [0x18, u64le],
  alternateLba: [0x20, u64le],
  firstUsableLba: [0x28, u64le],
  lastUsableLba: [0x30, u64le],
  diskGuid: [0x38, guid],
  partitionEntryLba: [0x48, u64le],
  partitionCount: [0x50, u32le],
  partitionEntryBytes: [0x54, u32le],
  partitionsCrc32: [0x58, u32le],
});
export type GptHeader = ValueOf<typeof GptHeader>;

/** @see UEFI Specification 2.10, table 5.6, "GPT Partition Entry" */
export const GptEntry = record("GptEntry", 128, {
  typeGuid: [0x00, guid],
  uniqueGuid: [0x10, guid],
  firstLba: [0x20, u64le],
  lastLba: [0x28, u64le],
  attributes: [0x30, u64le],
  label: [0x38, utf16le(MAX_LABEL_UNITS)],
});
export type GptEntry = ValueOf<typeof GptEntry>;

/** The type of an entry that is not in use. */
export const UNUSED_TYPE = "00000000-0000-0000-0000-000000000000";

/**
 * Bits of an entry's attributes.
 * @see UEFI Specification 2.10, table 5.8; UAPI Group, Discoverable Partitions Specification, "Partition Flags"
 */
export const PARTITION_FLAGS = {
  required: 0,
  "no-block-io": 1,
  "legacy-boot": 2,
  "grow-file-system": 59,
  "read-only": 60,
  "no-auto": 63,
} as const;
/** One of `PARTITION_FLAGS`. */
export type PartitionFlag = keyof typeof PARTITION_FLAGS;
