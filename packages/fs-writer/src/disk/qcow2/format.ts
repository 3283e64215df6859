import { record, u32be, u64be, type ValueOf } from "@cvm-build/bytes";

/** First bytes: "QFI" and 0xfb. */
export const QCOW2_MAGIC = 0x5146_49fb;

/** Version that is written; 2 is read too. */
export const QCOW2_VERSION = 3;

/** Clusters of 64 KiB: what `qemu-img` makes. */
export const CLUSTER_BITS = 16;
/** Sizes of clusters that are read. */
export const CLUSTER_BITS_RANGE = { min: 9, max: 21 } as const;

/** Reference counts of 16 bits. */
export const REFCOUNT_ORDER = 4;

/** Size of an entry of the tables. */
export const TABLE_ENTRY_BYTES = 8;

/** Largest first-level table that is read: QEMU's limit. */
export const MAX_L1_BYTES = 32 << 20;

/** The part of the header that version 2 has. @see QEMU docs/interop/qcow2.txt, "Header" */
export const Qcow2Header = record("Qcow2Header", 72, {
  magic: [0, u32be],
  version: [4, u32be],
  backingFileOffset: [8, u64be],
  backingFileSize: [16, u32be],
  clusterBits: [20, u32be],
  sizeBytes: [24, u64be],
  cryptMethod: [32, u32be],
  l1Size: [36, u32be],
  l1TableOffset: [40, u64be],
  refcountTableOffset: [48, u64be],
  refcountTableClusters: [56, u32be],
  snapshots: [60, u32be],
  snapshotsOffset: [64, u64be],
});
export type Qcow2Header = ValueOf<typeof Qcow2Header>;

/** What version 3 adds to the header. @see QEMU docs/interop/qcow2.txt, "Header" */
export const Qcow2HeaderV3 = record("Qcow2HeaderV3", 32, {
  incompatibleFeatures: [0, u64be],
  compatibleFeatures: [8, u64be],
  autoclearFeatures: [16, u64be],
  refcountOrder: [24, u32be],
  headerBytes: [28, u32be],
});

/** Incompatible features: bits of what a reader has to know. */
export const INCOMPATIBLE_FEATURES = ["dirty", "corrupt", "external data file", "compression type", "extended L2"];
/** The feature that does not keep anyone from reading: only reference counts may be wrong. */
export const DIRTY_BIT = 1n;

/** Of entries of both tables: the cluster's offset, and that nothing else refers to it. */
export const OFFSET_MASK = 0x00ff_ffff_ffff_fe00n;
export const COPIED_BIT = 1n << 63n;
/** Of entries of second-level tables: that the cluster is compressed; that it reads as zeros. */
export const COMPRESSED_BIT = 1n << 62n;
export const ZERO_BIT = 1n;

/** What compressed clusters' sizes are counted in. */
export const COMPRESSED_SECTOR_BYTES = 512;
