import { ascii, type FieldType, record, type ValueOf } from "@cvm-build/bytes";

/** Eight hexadecimal digits. Decoding gives NaN for anything else, which readers refuse where they know the place. */
const hex8: FieldType<number> = {
  name: "hex8",
  sizeBytes: 8,
  put: (view, offset, value) => void view.write(value.toString(16).toUpperCase().padStart(8, "0"), offset, "latin1"),
  get(view, offset) {
    const digits = view.toString("latin1", offset, offset + 8);
    return /^[0-9A-Fa-f]{8}$/.test(digits) ? Number.parseInt(digits, 16) : Number.NaN;
  },
  refuse: (value) =>
    Number.isInteger(value) && value >= 0 && value <= MAX_HEX8 ? undefined : "an integer 0..0xffffffff",
  show: (value) => `0x${value.toString(16)}`,
};

/** The largest number that a header field holds: of bytes in a file, for one. */
export const MAX_HEX8 = 0xffffffff;

/**
 * Header of an entry in the new portable format: 110 bytes of text.
 * @see Linux, Documentation/driver-api/early-userspace/buffer-format.rst; cpio(5), "New ASCII Format"
 */
export const NewcHeader = record("NewcHeader", 110, {
  magic: [0, ascii(6)],
  ino: [6, hex8],
  mode: [14, hex8],
  uid: [22, hex8],
  gid: [30, hex8],
  nlink: [38, hex8],
  mtimeSec: [46, hex8],
  sizeBytes: [54, hex8],
  devmajor: [62, hex8],
  devminor: [70, hex8],
  rdevmajor: [78, hex8],
  rdevminor: [86, hex8],
  /** Length of the name with its final NUL. */
  nameSizeBytes: [94, hex8],
  /** Sum of the data's bytes under `NEWC_CRC_MAGIC`, otherwise zero. */
  check: [102, hex8],
});
export type NewcHeader = ValueOf<typeof NewcHeader>;

/** What an entry begins with. */
export const NEWC_MAGIC = "070701";
/** The same format with a checksum of each file. */
export const NEWC_CRC_MAGIC = "070702";

/** Header and name together, and data, are padded to this with NULs. */
export const CPIO_ALIGNMENT = 4;

/** The name of the entry that ends an archive. The kernel forgets hard links there, so that inode numbers start anew. */
export const TRAILER_NAME = "TRAILER!!!";

/**
 * The type bits of `mode`, by kind of node.
 * @see stat(2), inode(7), "The file type and mode"
 */
export const MODE_TYPE = {
  fifo: 0o010000,
  char: 0o020000,
  directory: 0o040000,
  block: 0o060000,
  file: 0o100000,
  symlink: 0o120000,
} as const;
/** The bits of `mode` that hold the type. */
export const MODE_TYPE_MASK = 0o170000;
