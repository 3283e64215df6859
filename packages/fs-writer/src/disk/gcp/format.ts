import { ascii, type FieldType, raw, record } from "@cvm-build/bytes";

/** The only file of the archive. */
export const GCP_DISK_NAME = "disk.raw";
/** What the disk's size has to be a multiple of. @see Google Cloud, "Import and manually import boot disks" */
export const GCP_SIZE_MULTIPLE_BYTES = 1 << 30;

/** Headers and data are padded to blocks of this size, and an archive to whole records of 20. */
export const TAR_BLOCK_BYTES = 512;
export const TAR_RECORD_BYTES = 20 * TAR_BLOCK_BYTES;

/** A file of which only stretches are stored. */
export const SPARSE_TYPEFLAG = "S";
/** `magic` and `version` of old GNU tar: "ustar", two spaces. */
export const OLD_GNU_MAGIC = "ustar  ";

/** A number as octal digits and a NUL, or, where they are too few, big-endian behind a byte of 0x80 (GNU's "base-256"). */
function gnuNumber(sizeBytes: number): FieldType<number> {
  const maxOctal = 8 ** (sizeBytes - 1) - 1;
  return {
    name: `gnuNumber(${sizeBytes})`,
    sizeBytes,
    put(view, offset, value) {
      if (value <= maxOctal) view.write(`${value.toString(8).padStart(sizeBytes - 1, "0")}\0`, offset, "latin1");
      else {
        view.fill(0, offset, offset + sizeBytes);
        view[offset] = 0x80;
        view.writeBigUInt64BE(BigInt(value), offset + sizeBytes - 8);
      }
    },
    get: (view, offset) =>
      ((view[offset] ?? 0) & 0x80) === 0
        ? Number.parseInt(view.toString("latin1", offset, offset + sizeBytes - 1), 8)
        : Number(view.readBigUInt64BE(offset + sizeBytes - 8)),
    refuse: (value) =>
      Number.isSafeInteger(value) && value >= 0 && (sizeBytes > 8 || value <= maxOctal)
        ? undefined
        : "an integer that fits",
    show: (value) => String(value),
  };
}

/** A stretch of a sparse file that is stored. @see GNU tar manual, "Basic Tar Format", `struct sparse` */
export const SparseEntry = record("SparseEntry", 24, {
  offsetBytes: [0, gnuNumber(12)],
  sizeBytes: [12, gnuNumber(12)],
});

/** How many stretches fit into the header, and into each block after it. */
export const SPARSES_IN_HEADER = 4;
export const SPARSES_IN_EXTENSION = 21;

/** Header of a sparse file. @see GNU tar manual, "Basic Tar Format", `struct oldgnu_header` */
export const OldGnuHeader = record("OldGnuHeader", TAR_BLOCK_BYTES, {
  name: [0, ascii(100)],
  mode: [100, gnuNumber(8)],
  uid: [108, gnuNumber(8)],
  gid: [116, gnuNumber(8)],
  sizeBytes: [124, gnuNumber(12)],
  mtimeSec: [136, gnuNumber(12)],
  checksum: [148, raw(8)],
  typeflag: [156, ascii(1)],
  linkname: [157, ascii(100)],
  magic: [257, ascii(8)],
  uname: [265, ascii(32)],
  gname: [297, ascii(32)],
  devices: [329, raw(16)],
  unused: [345, raw(41)],
  sparse: [386, raw(SPARSES_IN_HEADER * SparseEntry.sizeBytes)],
  isExtended: [482, raw(1)],
  realSizeBytes: [483, gnuNumber(12)],
  padding: [495, raw(17)],
});

/** Block with more stretches. @see GNU tar manual, "Basic Tar Format", `struct sparse_header` */
export const SparseExtension = record("SparseExtension", TAR_BLOCK_BYTES, {
  sparse: [0, raw(SPARSES_IN_EXTENSION * SparseEntry.sizeBytes)],
  isExtended: [504, raw(1)],
  padding: [505, raw(7)],
});
