/** Codes of the `CvmError`s that this package throws beside `FormatError`. */
export type FsWriterErrorCode =
  /** A path or node that a `FileTree` cannot hold. */
  | "tree"
  /** A node that the chosen archive format cannot hold. */
  | "archive"
  /** Data that dm-verity cannot protect as asked. */
  | "verity"
  /** Partitions that do not fit a disk, or a disk that does not fit its format. */
  | "disk"
  /** A compression setting that the compressor does not have, or a decoder that is not installed. */
  | "compression"
  /** A worker thread that ended while it had work. */
  | "worker";
