import { ascii, raw, record, u16be, u32be, u64be, u8, type ValueOf } from "@cvm-build/bytes";

/** First bytes of a footer. */
export const VHD_COOKIE = "conectix";
export const VHD_VERSION = 0x0001_0000;
/** A bit that is always set. */
export const VHD_FEATURES = 2;
/** `dataOffset` of a disk that is not made of blocks. */
export const NO_DATA_OFFSET = 0xffff_ffff_ffff_ffffn;

/** Kinds of disk; only fixed ones are read and written. */
export const VHD_DISK_TYPES: Readonly<Record<number, string>> = { 2: "fixed", 3: "dynamic", 4: "differencing" };
export const VHD_FIXED = 2;

/** What Azure wants the disk's size to be a multiple of. */
export const VHD_SIZE_MULTIPLE_BYTES = 1 << 20;

/**
 * Last 512 bytes of a fixed disk's image, big-endian.
 * @see Microsoft, Virtual Hard Disk Image Format Specification 1.0, "Hard Disk Footer Format"
 */
export const VhdFooter = record("VhdFooter", 512, {
  cookie: [0, ascii(8)],
  features: [8, u32be],
  version: [12, u32be],
  dataOffset: [16, u64be],
  /** Seconds since 2000. */
  timestamp: [24, u32be],
  creatorApplication: [28, ascii(4)],
  creatorVersion: [32, u32be],
  creatorHostOs: [36, ascii(4)],
  originalSizeBytes: [40, u64be],
  currentSizeBytes: [48, u64be],
  cylinders: [56, u16be],
  heads: [58, u8],
  sectorsPerTrack: [59, u8],
  diskType: [60, u32be],
  checksum: [64, u32be],
  uniqueId: [68, raw(16)],
  savedState: [84, u8],
  reserved: [85, raw(427)],
});
export type VhdFooter = ValueOf<typeof VhdFooter>;

/** The checksum of a footer: the complement of the sum of its bytes, without the checksum's own. */
export function vhdChecksum(footer: Buffer): number {
  const at = VhdFooter.offsetOf("checksum");
  let sum = 0;
  for (const [index, byte] of footer.entries()) if (index < at || index >= at + 4) sum += byte;
  return ~sum >>> 0;
}
