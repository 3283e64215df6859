import { record, u32be, type ValueOf } from "@cvm-build/bytes";

/** First word of a kmod index, @see kmod, libkmod/libkmod-index.c, "Integers are stored as 32 bit unsigned in network order". */
export const INDEX_MAGIC = 0xb007f457;
/** Major 2, minor 1: the version that kmod has read and written since 2011. */
export const INDEX_VERSION = 0x0002_0001;

/** Flags in the high nibble of a node's offset. */
export const NODE_HAS_PREFIX = 0x8000_0000;
export const NODE_HAS_VALUES = 0x4000_0000;
export const NODE_HAS_CHILDREN = 0x2000_0000;
/** The offset itself, in bytes from the start of the file. */
export const NODE_OFFSET_MASK = 0x0fff_ffff;

/** Keys and values are 7-bit ASCII; a child is found by its first character, below this. */
export const CHARACTER_LIMIT = 128;

/** Start of a kmod index: 12 bytes, big-endian. The nodes follow. */
export const IndexHeader = record("IndexHeader", 12, {
  magic: [0x00, u32be],
  version: [0x04, u32be],
  /** Offset and flags of the root node. */
  root: [0x08, u32be],
});
export type IndexHeader = ValueOf<typeof IndexHeader>;

/** What a key leads to. Lower priorities come first. */
export interface IndexValue {
  priority: number;
  value: string;
}

/** A key of an index with its values, in the index's order. */
export interface IndexEntry {
  key: string;
  values: IndexValue[];
}
