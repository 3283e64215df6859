import type { ByteSource } from "@cvm-build/bytes";
import { isQcow2, openQcow2 } from "./qcow2/reader.ts";
import { isVhd, openVhd } from "./vhd/reader.ts";

/** What a disk is kept in. */
export type DiskFormat = "raw" | "qcow2" | "vhd";

/** A disk's own bytes, whatever it is kept in. */
export interface OpenedDisk extends ByteSource {
  format: DiskFormat;
}

/**
 * Opens a disk: qcow2 and fixed VHD by their signatures, all else as it is.
 * @throws FormatError, on reading too, where the file is damaged or needs what is not known
 */
export function openDisk(source: ByteSource): OpenedDisk {
  if (isQcow2(source)) return opened("qcow2", openQcow2(source));
  if (isVhd(source)) return opened("vhd", openVhd(source));
  return opened("raw", source);
}

function opened(format: DiskFormat, disk: ByteSource): OpenedDisk {
  return {
    format,
    sizeBytes: disk.sizeBytes,
    read: (offsetBytes, lengthBytes) => disk.read(offsetBytes, lengthBytes),
    ...(disk.readInto && {
      readInto: (target: Buffer, offsetBytes: number) => disk.readInto?.(target, offsetBytes),
    }),
  };
}
