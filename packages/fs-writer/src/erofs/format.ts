import { raw, record, u16le, u32le, u64le, u8, type ValueOf } from "@cvm-build/bytes";

/** Where the superblock lies, whatever the block size. Before it is room for a boot sector. */
export const EROFS_SUPER_OFFSET = 1024;
/** What a superblock begins with. */
export const EROFS_MAGIC = 0xe0f5e1e2;
/** The block size that images of ours have, and its power of two. */
export const EROFS_BLOCK_BYTES = 4096;
export const EROFS_BLOCK_BITS = 12;
/** An inode's number (nid) is its offset from the start of the metadata area in slots of this size. */
export const EROFS_SLOT_BYTES = 32;
/** The unit of superblock extensions after the first 128 bytes. */
export const EROFS_EXTSLOT_BYTES = 16;

/** Features that a reader may ignore. */
export const EROFS_COMPAT = {
  superblockChecksum: 0x1,
  /** `epochSec` is a modification time rather than a change time. */
  mtime: 0x2,
  /** `nameFilter` of inodes holds a Bloom filter of their attributes' names. */
  xattrFilter: 0x4,
  sharedXattrsInMetabox: 0x8,
  plainXattrPrefixes: 0x10,
  ishareXattrs: 0x20,
} as const;

/** Features that a reader must know. Some bits have two names: the record that uses them tells which it is. */
export const EROFS_INCOMPAT = {
  /** Compressed clusters are right-aligned in their blocks, zeros before them. */
  zeroPadding: 0x1,
  /** `comprAlgsOrLz4MaxDistance` is a set of algorithms, and their configurations follow the superblock. */
  comprCfgs: 0x2,
  /** A physical cluster may be larger than a block. */
  bigPcluster: 0x2,
  chunkedFile: 0x4,
  deviceTable: 0x8,
  comprHead2: 0x8,
  /** The last cluster of a file may lie behind its inode. */
  ztailpacking: 0x10,
  /** The last part of a file may lie in the packed inode. */
  fragments: 0x20,
  dedupe: 0x20,
  xattrPrefixes: 0x40,
  addresses48Bit: 0x80,
  metabox: 0x100,
} as const;

/**
 * The superblock without extension slots, at `EROFS_SUPER_OFFSET`.
 * @see Linux, fs/erofs/erofs_fs.h, struct erofs_super_block; Documentation/filesystems/erofs.rst, "On-disk details"
 */
export const ErofsSuperblock = record("ErofsSuperblock", 128, {
  magic: [0, u32le],
  /** CRC32C, not inverted at the end, of the rest of the superblock's block with this field zero. */
  checksum: [4, u32le],
  featureCompat: [8, u32le],
  blockBits: [12, u8],
  /** How many slots of `EROFS_EXTSLOT_BYTES` follow these 128 bytes. */
  extSlots: [13, u8],
  rootNid: [14, u16le],
  inodeCount: [16, u64le],
  /** The time of every compact inode. */
  epochSec: [24, u64le],
  epochNsec: [32, u32le],
  blockCount: [36, u32le],
  metaBlock: [40, u32le],
  xattrBlock: [44, u32le],
  uuid: [48, raw(16)],
  volumeName: [64, raw(16)],
  featureIncompat: [80, u32le],
  /** `comprCfgs`: one bit for each of `EROFS_COMPRESSION_ALGORITHMS`; without it, how far back LZ4 refers. */
  comprAlgsOrLz4MaxDistance: [84, u16le],
  extraDevices: [86, u16le],
  /** Where the device table begins, in units of `ErofsDeviceSlot`. */
  deviceTableSlot: [88, u16le],
  /** Directory block size by power of two, over `blockBits`. */
  dirBlockBits: [90, u8],
  xattrPrefixCount: [91, u8],
  /** Where long prefixes begin, in units of 4 bytes: in the packed inode, or else on the disk. */
  xattrPrefixStart: [92, u32le],
  packedNid: [96, u64le],
  xattrFilterReserved: [104, u8],
  ishareXattrPrefixId: [105, u8],
  reserved: [106, raw(2)],
  /** Seconds after `epochSec` at which the image was made; zero in older images. */
  buildTimeSec: [108, u32le],
  reserved2: [112, raw(16)],
});
export type ErofsSuperblock = ValueOf<typeof ErofsSuperblock>;

/**
 * A further device that holds data.
 * @see Linux, fs/erofs/erofs_fs.h, struct erofs_deviceslot
 */
export const ErofsDeviceSlot = record("ErofsDeviceSlot", 128, {
  tag: [0, raw(64)],
  blockCount: [64, u32le],
  mappedBlock: [68, u32le],
  reserved: [72, raw(56)],
});
export type ErofsDeviceSlot = ValueOf<typeof ErofsDeviceSlot>;

/** How an inode's data is laid out. */
export const EROFS_LAYOUT = {
  /** Whole blocks one after the other from `union`. */
  flatPlain: 0,
  /** Compressed, 8 bytes an index. */
  compressedFull: 1,
  /** As plain, but what is beyond the last full block follows the inode. */
  flatInline: 2,
  /** Compressed, 2 or 4 bytes an index. */
  compressedCompact: 3,
  chunkBased: 4,
} as const;

/** `format` of an inode: bit 0 says that it is extended, the three above are one of `EROFS_LAYOUT`. */
export const EROFS_FORMAT_EXTENDED = 0x1;
export const EROFS_FORMAT_LAYOUT_SHIFT = 1;
export const EROFS_FORMAT_LAYOUT_MASK = 0x7;
/** Every bit of `format` that is known here. */
export const EROFS_FORMAT_ALL = 0xf;

/**
 * The small inode.
 * @see Linux, fs/erofs/erofs_fs.h, struct erofs_inode_compact
 */
export const ErofsInodeCompact = record("ErofsInodeCompact", 32, {
  format: [0, u16le],
  /** 0 without attributes, else 1 + the units of 4 bytes that follow `ErofsXattrBodyHeader`. */
  xattrCount: [2, u16le],
  mode: [4, u16le],
  linkCount: [6, u16le],
  sizeBytes: [8, u32le],
  reserved: [12, u32le],
  /** First block, count of compressed blocks, device number or chunk format, by mode and layout. */
  union: [16, u32le],
  /** Number for 32-bit stat alone. */
  ino: [20, u32le],
  uid: [24, u16le],
  gid: [26, u16le],
  reserved2: [28, u32le],
});
export type ErofsInodeCompact = ValueOf<typeof ErofsInodeCompact>;

/**
 * The full inode.
 * @see Linux, fs/erofs/erofs_fs.h, struct erofs_inode_extended
 */
export const ErofsInodeExtended = record("ErofsInodeExtended", 64, {
  format: [0, u16le],
  xattrCount: [2, u16le],
  mode: [4, u16le],
  reserved: [6, u16le],
  sizeBytes: [8, u64le],
  union: [16, u32le],
  ino: [20, u32le],
  uid: [24, u32le],
  gid: [28, u32le],
  mtimeSec: [32, u64le],
  mtimeNsec: [40, u32le],
  linkCount: [44, u32le],
  reserved2: [48, raw(16)],
});
export type ErofsInodeExtended = ValueOf<typeof ErofsInodeExtended>;

/** `union` of a chunk-based inode: its low bits are chunk size by power of two, over the block size. */
export const EROFS_CHUNK_BITS_MASK = 0x1f;
/** Set where `ErofsChunkIndex` records follow the inode, and not only 4-byte block numbers. */
export const EROFS_CHUNK_INDEXES = 0x20;
export const EROFS_CHUNK_48BIT = 0x40;
/** The block of a chunk that is a hole, and of a file without data. */
export const EROFS_NULL_BLOCK = 0xffffffff;
/** The size of a chunk's entry without `EROFS_CHUNK_INDEXES`. */
export const EROFS_BLOCK_MAP_ENTRY_BYTES = 4;

/**
 * Where a chunk lies.
 * @see Linux, fs/erofs/erofs_fs.h, struct erofs_inode_chunk_index
 */
export const ErofsChunkIndex = record("ErofsChunkIndex", 8, {
  advise: [0, u16le],
  deviceId: [2, u16le],
  block: [4, u32le],
});
export type ErofsChunkIndex = ValueOf<typeof ErofsChunkIndex>;

/**
 * An entry of a directory block. The first one's `nameOffset` tells how many there are; the last name ends with the block
 * or at a NUL.
 * @see Linux, fs/erofs/erofs_fs.h, struct erofs_dirent; Documentation/filesystems/erofs.rst, "Directories"
 */
export const ErofsDirent = record("ErofsDirent", 12, {
  nid: [0, u64le],
  nameOffset: [8, u16le],
  fileType: [10, u8],
  reserved: [11, u8],
});
export type ErofsDirent = ValueOf<typeof ErofsDirent>;

/** `fileType` of directory entries. */
export const EROFS_FILE_TYPE = {
  file: 1,
  directory: 2,
  char: 3,
  block: 4,
  fifo: 5,
  socket: 6,
  symlink: 7,
} as const;

/** The longest name of a directory entry. */
export const EROFS_NAME_MAX_BYTES = 255;

/**
 * What follows an inode with attributes. The 4-byte numbers of its shared attributes come next, then its own entries.
 * @see Linux, fs/erofs/erofs_fs.h, struct erofs_xattr_ibody_header; Documentation/filesystems/erofs.rst, "xattrs"
 */
export const ErofsXattrBodyHeader = record("ErofsXattrBodyHeader", 12, {
  nameFilter: [0, u32le],
  sharedCount: [4, u8],
  reserved: [5, raw(7)],
});
export type ErofsXattrBodyHeader = ValueOf<typeof ErofsXattrBodyHeader>;

/**
 * What comes before an attribute's name, which lacks its prefix, and its value. Entries begin at multiples of 4 bytes; a
 * shared one's number is its offset from `xattrBlock` in these.
 * @see Linux, fs/erofs/erofs_fs.h, struct erofs_xattr_entry
 */
export const ErofsXattrEntry = record("ErofsXattrEntry", 4, {
  nameSizeBytes: [0, u8],
  nameIndex: [1, u8],
  valueSizeBytes: [2, u16le],
});
export type ErofsXattrEntry = ValueOf<typeof ErofsXattrEntry>;

/** Entries of attributes begin at multiples of this, and their numbers and counts are in units of it. */
export const EROFS_XATTR_UNIT_BYTES = 4;

/** What `nameIndex` stands for. The two of POSIX ACLs are the whole name. */
export const EROFS_XATTR_PREFIXES = {
  1: "user.",
  2: "system.posix_acl_access",
  3: "system.posix_acl_default",
  4: "trusted.",
  5: "lustre.",
  6: "security.",
} as const;

/** Set in `nameIndex` where its other bits number a long prefix: `u16le` size, then one byte of index and the infix. */
export const EROFS_XATTR_LONG_PREFIX = 0x80;
export const EROFS_XATTR_LONG_PREFIX_MASK = 0x7f;

/** Algorithms of compressed clusters, by their number in `algorithms` and bit of `comprAlgsOrLz4MaxDistance`. */
export const EROFS_COMPRESSION_ALGORITHMS = { lz4: 0, lzma: 1, deflate: 2, zstd: 3 } as const;
/** The largest physical cluster, and the longest stretch of a file that one may hold. */
export const EROFS_PCLUSTER_MAX_BYTES = 1 << 20;
export const EROFS_PCLUSTER_MAX_CONTENT_BYTES = 12 << 20;

/**
 * Configuration of LZ4. Those of an image's algorithms follow the superblock with its slots, each behind its size as a
 * `u16le`, in the order of their numbers.
 * @see Linux, fs/erofs/erofs_fs.h, struct z_erofs_lz4_cfgs and its siblings
 */
export const ErofsLz4Config = record("ErofsLz4Config", 14, {
  maxDistance: [0, u16le],
  maxPclusterBlocks: [2, u16le],
  reserved: [4, raw(10)],
});
/** Configuration of MicroLZMA. */
export const ErofsLzmaConfig = record("ErofsLzmaConfig", 14, {
  dictSizeBytes: [0, u32le],
  format: [4, u16le],
  reserved: [6, raw(8)],
});
/** Configuration of DEFLATE. */
export const ErofsDeflateConfig = record("ErofsDeflateConfig", 6, { windowBits: [0, u8], reserved: [1, raw(5)] });
/** Configuration of zstd. */
export const ErofsZstdConfig = record("ErofsZstdConfig", 6, {
  format: [0, u8],
  /** The window's power of two, less 10. */
  windowLog: [1, u8],
  reserved: [2, raw(4)],
});

/**
 * What a compressed inode and its attributes are followed by, at the next multiple of 8 bytes; then come the indexes,
 * full ones after 8 more bytes.
 * @see Linux, fs/erofs/erofs_fs.h, struct z_erofs_map_header
 */
export const ErofsMapHeader = record("ErofsMapHeader", 8, {
  /** `fragment`: offset in the packed inode. `inlinePcluster`: the tail's encoded size is the upper half. */
  fragmentOffset: [0, u32le],
  /** Bits of `EROFS_ADVISE`. */
  advise: [4, u16le],
  /** Algorithm of first heads in the low four bits, of second heads in the high ones. */
  algorithms: [6, u8],
  /** Power of two of a logical cluster over the block size; the highest bit: all of the file is in the packed inode. */
  clusterBits: [7, u8],
});
export type ErofsMapHeader = ValueOf<typeof ErofsMapHeader>;

/** `advise` of a map header. */
export const EROFS_ADVISE = {
  /** Compact indexes may take 2 bytes. */
  compacted2B: 0x1,
  bigPcluster1: 0x2,
  bigPcluster2: 0x4,
  inlinePcluster: 0x8,
  /** Uncompressed clusters keep each byte at its offset in the block, and wrap around. */
  interlacedPcluster: 0x10,
  fragmentPcluster: 0x20,
} as const;
/** `clusterBits`: all of the file is in the packed inode. */
export const EROFS_FRAGMENT_INODE = 0x80;

/**
 * A logical cluster, in full indexes. `union` is a block for heads; for the others, the distance to the head in its low
 * half and to the next head in the high one.
 * @see Linux, fs/erofs/erofs_fs.h, struct z_erofs_lcluster_index
 */
export const ErofsClusterIndex = record("ErofsClusterIndex", 8, {
  advise: [0, u16le],
  clusterOffset: [2, u16le],
  union: [4, u32le],
});
export type ErofsClusterIndex = ValueOf<typeof ErofsClusterIndex>;

/** The type of a logical cluster: the low two bits of `advise`, and the bits above the offset in compact indexes. */
export const EROFS_CLUSTER_TYPE = { plain: 0, head1: 1, nonhead: 2, head2: 3 } as const;
/** `advise` of a full index: only a part of what the cluster holds belongs to the file. */
export const EROFS_PARTIAL_REF = 0x8000;
/** In the first distance after a head: the rest of it counts the blocks of the physical cluster. */
export const EROFS_D0_CBLKCNT = 0x800;
