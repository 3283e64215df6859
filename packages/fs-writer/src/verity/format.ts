import { ascii, raw, record, u16le, u32le, u64le, uuid, type ValueOf } from "@cvm-build/bytes";

/** What blocks are hashed with. */
export const VERITY_ALGORITHMS = ["sha256", "sha512"] as const;
/** One of `VERITY_ALGORITHMS`. */
export type VerityAlgorithm = (typeof VERITY_ALGORITHMS)[number];

/** The hash type: 0 is Chrome OS's, with the salt after the block; 1 has it before, and is what everybody uses. */
export type VerityFormatVersion = 0 | 1;

/** Size of the blocks that are written here, of data and of hashes. Page size of x86-64, and what the kernel reads. */
export const VERITY_BLOCK_BYTES = 4096;

/** Salts are at most as long as the superblock has room for. */
export const MAX_SALT_BYTES = 256;

/** First bytes of a superblock. */
export const VERITY_SIGNATURE = Buffer.from("verity\0\0", "latin1");

/** Version of the superblock; that of the hashes is `hashType`. */
export const VERITY_SUPERBLOCK_VERSION = 1;

/** Sizes of blocks that the kernel takes: powers of two in this range. @see Linux `drivers/md/dm-verity-target.c` */
export const VERITY_BLOCK_RANGE = { min: 512, max: 65_536 } as const;

/**
 * Superblock in front of a hash tree, which the kernel does not read: `veritysetup` and systemd do.
 * @see cryptsetup wiki, "DMVerity", "Verity superblock format"
 */
export const VeritySuperblock = record("VeritySuperblock", 512, {
  signature: [0x00, raw(8)],
  version: [0x08, u32le],
  hashType: [0x0c, u32le],
  uuid: [0x10, uuid],
  algorithm: [0x20, ascii(32)],
  dataBlockBytes: [0x40, u32le],
  hashBlockBytes: [0x44, u32le],
  dataBlocks: [0x48, u64le],
  saltBytes: [0x50, u16le],
  reserved: [0x52, raw(6)],
  salt: [0x58, raw(MAX_SALT_BYTES)],
  padding: [0x158, raw(168)],
});
export type VeritySuperblock = ValueOf<typeof VeritySuperblock>;
