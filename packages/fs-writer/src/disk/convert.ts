import { openFileSource } from "@cvm-build/bytes";
import { GCP_SIZE_MULTIPLE_BYTES } from "./gcp/format.ts";
import { writeGcpArchive } from "./gcp/writer.ts";
import { writeQcow2 } from "./qcow2/writer.ts";
import type { WrittenFile } from "./sparse-writer.ts";
import { VHD_SIZE_MULTIPLE_BYTES } from "./vhd/format.ts";
import { writeVhd } from "./vhd/writer.ts";

/** What a raw disk can be turned into. */
export const CONVERTED_DISK_FORMATS = ["qcow2", "vhd", "gcp"] as const;
/** One of `CONVERTED_DISK_FORMATS`. */
export type ConvertedDiskFormat = (typeof CONVERTED_DISK_FORMATS)[number];

/**
 * What the size of a disk has to be a multiple of in each format. A disk that is not is followed by zeros there: its backup
 * partition table is not at its end then, which `GptOptions.sizeMultipleBytes` avoids.
 */
export const DISK_SIZE_MULTIPLES = {
  qcow2: 512,
  vhd: VHD_SIZE_MULTIPLE_BYTES,
  gcp: GCP_SIZE_MULTIPLE_BYTES,
} as const satisfies Record<ConvertedDiskFormat, number>;

/** What a disk is turned into. */
export interface ConvertDiskOptions {
  output: string;
  format: ConvertedDiskFormat;
  /** How many threads compress, where the format is compressed. Default: this one. */
  threads?: number;
  /** The compressor's level, 1 to 9. Default: 1, since most of a disk is compressed already. */
  level?: number;
}

/**
 * Turns a raw disk into what a hypervisor or a cloud takes. The disk's bytes stay as they are, and with them what firmware
 * measures; equal disks give equal bytes. Memory does not grow with the disk.
 */
export async function convertDisk(raw: { path: string }, options: ConvertDiskOptions): Promise<WrittenFile> {
  const { format, output, threads = 1, level = 1 } = options;
  using disk = openFileSource(raw.path);
  switch (format) {
    case "qcow2":
      return writeQcow2(disk, output);
    case "vhd":
      return writeVhd(disk, output);
    case "gcp":
      return await writeGcpArchive(disk, { output, threads, level });
  }
}
