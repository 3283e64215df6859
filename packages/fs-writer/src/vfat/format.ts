import { ascii, raw, record, u16le, u32le, u8, type ValueOf } from "@cvm-build/bytes";

/** Bytes of a sector in volumes that are written. Disks with sectors of 4 KiB take them too, but for firmware that is strict. */
export const SECTOR_BYTES = 512;

/**
 * The BIOS parameter block that all variants begin with: 36 bytes.
 * @see Microsoft, FAT: General Overview of On-Disk Format 1.03, "Boot Sector and BPB"
 */
export const BiosParameterBlock = record("BiosParameterBlock", 36, {
  jump: [0, raw(3)],
  oemName: [3, ascii(8)],
  sectorSizeBytes: [11, u16le],
  sectorsPerCluster: [13, u8],
  reservedSectors: [14, u16le],
  tables: [16, u8],
  /** Entries of the root directory; zero under FAT32, where it is a chain of clusters. */
  rootEntries: [17, u16le],
  /** Zero where the number needs 32 bits. */
  totalSectors16: [19, u16le],
  media: [21, u8],
  /** Zero under FAT32. */
  tableSectors16: [22, u16le],
  sectorsPerTrack: [24, u16le],
  heads: [26, u16le],
  hiddenSectors: [28, u32le],
  totalSectors32: [32, u32le],
});
export type BiosParameterBlock = ValueOf<typeof BiosParameterBlock>;

/**
 * What follows under FAT32: 28 bytes.
 * @see Microsoft, FAT: General Overview of On-Disk Format 1.03, "FAT32 Structure Starting at Offset 36"
 */
export const Fat32Extension = record("Fat32Extension", 28, {
  tableSectors32: [0, u32le],
  flags: [4, u16le],
  version: [6, u16le],
  rootCluster: [8, u32le],
  infoSector: [12, u16le],
  backupBootSector: [14, u16le],
  reserved: [16, raw(12)],
});
export type Fat32Extension = ValueOf<typeof Fat32Extension>;

/** Where `Fat32Extension` lies in the boot sector; what comes after it lies here under FAT12 and FAT16. */
export const EXTENSION_OFFSET_BYTES = BiosParameterBlock.sizeBytes;

/**
 * What all variants then have: 26 bytes, at 36 or, under FAT32, at 64.
 * @see Microsoft, FAT: General Overview of On-Disk Format 1.03, "Fat12 and Fat16 Structure Starting at Offset 36"
 */
export const VolumeIdentity = record("VolumeIdentity", 26, {
  driveNumber: [0, u8],
  reserved: [1, u8],
  /** `EXTENDED_BOOT_SIGNATURE` where the fields below are there. */
  bootSignature: [2, u8],
  serial: [3, u32le],
  label: [7, raw(11)],
  typeText: [18, ascii(8)],
});
export type VolumeIdentity = ValueOf<typeof VolumeIdentity>;

/** What `VolumeIdentity.bootSignature` holds. */
export const EXTENDED_BOOT_SIGNATURE = 0x29;
/** The last two bytes of a boot sector, and where they lie. */
export const BOOT_SIGNATURE = 0xaa55;
export const BOOT_SIGNATURE_OFFSET_BYTES = 510;
/** Fixed disk: what media and the first entry of a table say. */
export const FIXED_MEDIA = 0xf8;

/**
 * How many clusters are free under FAT32, and where to look for one: 512 bytes.
 * @see Microsoft, FAT: General Overview of On-Disk Format 1.03, "FAT32 FSInfo Sector Structure and Backup Boot Sector"
 */
export const FsInfo = record("FsInfo", SECTOR_BYTES, {
  leadSignature: [0, u32le],
  reserved1: [4, raw(480)],
  structSignature: [484, u32le],
  freeClusters: [488, u32le],
  nextFree: [492, u32le],
  reserved2: [496, raw(12)],
  trailSignature: [508, u32le],
});
export type FsInfo = ValueOf<typeof FsInfo>;

/** The three signatures of `FsInfo`. */
export const FS_INFO_SIGNATURES = {
  leadSignature: 0x41615252,
  structSignature: 0x61417272,
  trailSignature: 0xaa550000,
} as const;

/**
 * An entry of a directory: 32 bytes.
 * @see Microsoft, FAT: General Overview of On-Disk Format 1.03, "FAT Directory Structure"
 */
export const DirectoryEntry = record("DirectoryEntry", 32, {
  name: [0, raw(11)],
  attributes: [11, u8],
  /** Windows NT's: `CASE_LOWER_BASE`, `CASE_LOWER_EXTENSION`. */
  caseFlags: [12, u8],
  createHundredths: [13, u8],
  createTime: [14, u16le],
  createDate: [16, u16le],
  accessDate: [18, u16le],
  clusterHigh: [20, u16le],
  writeTime: [22, u16le],
  writeDate: [24, u16le],
  clusterLow: [26, u16le],
  sizeBytes: [28, u32le],
});
export type DirectoryEntry = ValueOf<typeof DirectoryEntry>;

/**
 * A part of a long name, in front of the entry that it names: 32 bytes.
 * @see Microsoft, FAT: General Overview of On-Disk Format 1.03, "FAT Long Directory Entries"
 */
export const LongNameEntry = record("LongNameEntry", 32, {
  /** From 1, at the entry that comes last; `LAST_LONG_ENTRY` is set in the one that comes first. */
  order: [0, u8],
  units1: [1, raw(10)],
  attributes: [11, u8],
  type: [12, u8],
  checksum: [13, u8],
  units2: [14, raw(12)],
  cluster: [26, u16le],
  units3: [28, raw(4)],
});
export type LongNameEntry = ValueOf<typeof LongNameEntry>;

/** UTF-16 code units in one `LongNameEntry`, and how many a name may have. */
export const UNITS_PER_ENTRY = 13;
export const MAX_NAME_UNITS = 255;
/** Set in the `order` of the entry that holds the name's end. */
export const LAST_LONG_ENTRY = 0x40;

/** Bits of `attributes`. */
export const ATTRIBUTE = {
  readOnly: 0x01,
  hidden: 0x02,
  system: 0x04,
  volumeLabel: 0x08,
  directory: 0x10,
  archive: 0x20,
} as const;
/** All of readOnly, hidden, system and volumeLabel: a part of a long name. */
export const LONG_NAME_ATTRIBUTES = 0x0f;
export const LONG_NAME_MASK = 0x3f;

/** Bits of `caseFlags`: the part of the name is shown in lower case. */
export const CASE_LOWER_BASE = 0x08;
export const CASE_LOWER_EXTENSION = 0x10;

/** First bytes of a name with a meaning: no entry from here on; a deleted one; 0xe5 itself. */
export const ENTRY_END = 0x00;
export const ENTRY_DELETED = 0xe5;
export const ENTRY_KANJI = 0x05;

/** What Linux reads of one directory at most, and what the specification allows. */
export const MAX_DIRECTORY_ENTRIES = 65536;

/** The kinds of tables, by the bits of an entry. */
export const VARIANTS = {
  fat12: { bits: 12, maxClusters: 4084, typeText: "FAT12   " },
  fat16: { bits: 16, maxClusters: 65524, typeText: "FAT16   " },
  fat32: { bits: 32, maxClusters: 0x0ffffff5, typeText: "FAT32   " },
} as const;
/** One of `VARIANTS`. */
export type FatVariant = keyof typeof VARIANTS;

/**
 * The variant of a volume with that many clusters. Nothing else decides.
 * @see Microsoft, FAT: General Overview of On-Disk Format 1.03, "FAT Type Determination"
 */
export function variantOf(clusters: number): FatVariant {
  if (clusters <= VARIANTS.fat12.maxClusters) return "fat12";
  return clusters <= VARIANTS.fat16.maxClusters ? "fat16" : "fat32";
}

/** The clusters that have numbers begin with this one. */
export const FIRST_CLUSTER = 2;
