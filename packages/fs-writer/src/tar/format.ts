import { type FieldType, record, type ValueOf } from "@cvm-build/bytes";

/** Headers and data are padded to blocks of this size. */
export const TAR_BLOCK_BYTES = 512;

/** Text of at most `sizeBytes` bytes that ends at the first NUL; not decoded, since its encoding is to be checked. */
function text(sizeBytes: number): FieldType<Uint8Array> {
  return {
    name: `text(${sizeBytes})`,
    sizeBytes,
    put: (view, offset, value) => void view.set(value, offset),
    get(view, offset) {
      const bytes = view.subarray(offset, offset + sizeBytes);
      const end = bytes.indexOf(0);
      return end < 0 ? bytes : bytes.subarray(0, end);
    },
    refuse: (value) => (value.length <= sizeBytes ? undefined : `at most ${sizeBytes} bytes`),
    show: (value) => JSON.stringify(Buffer.from(value).toString("utf8")),
  };
}

/**
 * A number as octal digits with spaces or NULs around them, or, where the first bit is set, as a big-endian two's
 * complement integer (GNU's "base-256"). NaN where it is neither or not exact.
 */
function number(sizeBytes: number): FieldType<number> {
  const maxOctal = 8 ** (sizeBytes - 1) - 1;
  return {
    name: `number(${sizeBytes})`,
    sizeBytes,
    put: (view, offset, value) =>
      void view.write(`${value.toString(8).padStart(sizeBytes - 1, "0")}\0`, offset, "latin1"),
    get: (view, offset) => decodeNumber(view.subarray(offset, offset + sizeBytes)),
    refuse: (value) =>
      Number.isInteger(value) && value >= 0 && value <= maxOctal ? undefined : `an integer 0..${maxOctal}`,
    show: (value) => String(value),
  };
}

function decodeNumber(bytes: Uint8Array): number {
  if (((bytes[0] ?? 0) & 0x80) !== 0) return decodeBase256(bytes);
  const digits = /^ *([0-7]*)[ \0]*$/.exec(Buffer.from(bytes).toString("latin1"));
  if (!digits) return Number.NaN;
  return digits[1] === "" ? 0 : Number.parseInt(digits[1] ?? "", 8);
}

function decodeBase256(bytes: Uint8Array): number {
  const isNegative = ((bytes[0] ?? 0) & 0x40) !== 0;
  let value = BigInt((bytes[0] ?? 0) & 0x7f);
  for (const byte of bytes.subarray(1)) value = (value << 8n) | BigInt(byte);
  if (isNegative) value -= 1n << BigInt(8 * bytes.length - 1);
  const exact = Number(value);
  return Number.isSafeInteger(exact) ? exact : Number.NaN;
}

/**
 * Header of a tar entry, in the POSIX ustar layout.
 * @see POSIX.1-2017, pax, "ustar Interchange Format"
 */
export const TarHeader = record("TarHeader", TAR_BLOCK_BYTES, {
  name: [0, text(100)],
  mode: [100, number(8)],
  uid: [108, number(8)],
  gid: [116, number(8)],
  sizeBytes: [124, number(12)],
  mtimeSec: [136, number(12)],
  checksum: [148, number(8)],
  typeflag: [156, text(1)],
  linkname: [157, text(100)],
  magic: [257, text(6)],
  version: [263, text(2)],
  uname: [265, text(32)],
  gname: [297, text(32)],
  devmajor: [329, number(8)],
  devminor: [337, number(8)],
  prefix: [345, text(155)],
  padding: [500, text(12)],
});
export type TarHeader = ValueOf<typeof TarHeader>;

/** Kinds of node that a tar entry can be. */
export type TarEntryType = "file" | "link" | "symlink" | "char" | "block" | "directory" | "fifo";

/**
 * Type of an entry by its typeflag. What is not here (sparse files, volume labels, dump directories) is refused.
 * @see POSIX.1-2017, pax, "ustar Interchange Format", typeflag
 */
export const TAR_ENTRY_TYPES: Readonly<Record<string, TarEntryType>> = {
  "0": "file",
  "1": "link",
  "2": "symlink",
  "3": "char",
  "4": "block",
  "5": "directory",
  "6": "fifo",
  "7": "file",
  "": "file",
};

/** Typeflags of entries that describe the entry after them. */
export const TAR_EXTENSIONS = {
  /** pax records for the next entry. */
  x: "pax",
  /** pax records for every later entry. */
  g: "paxGlobal",
  /** GNU: name of the next entry. */
  L: "longName",
  /** GNU: link name of the next entry. */
  K: "longLink",
} as const;
export type TarExtension = (typeof TAR_EXTENSIONS)[keyof typeof TAR_EXTENSIONS];

/** `magic` of POSIX ustar. Old GNU tar has `ustar` and two spaces, and uses the prefix field for other things. */
export const USTAR_MAGIC = "ustar";

/** Where pax keeps extended attributes, raw bytes by full name. */
export const PAX_XATTR_PREFIX = "SCHILY.xattr.";
