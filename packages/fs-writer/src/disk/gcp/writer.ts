import { alignUp, type ByteSource } from "@cvm-build/bytes";
import { gzipBlocks } from "../../compression/gzip-blocks.ts";
import { dataExtents } from "../data-extents.ts";
import { SparseWriter, type WrittenFile } from "../sparse-writer.ts";
import { GCP_SIZE_MULTIPLE_BYTES } from "./format.ts";
import { sparseTar } from "./sparse-tar.ts";

/**
 * Writes a disk as Google Cloud imports it: `disk.raw` of whole GiB, sparse in an archive of old GNU tar, compressed with
 * gzip, all without a date.
 * @see Google Cloud, "Manually import boot disks", "Compress the disk"
 */
export async function writeGcpArchive(
  disk: ByteSource,
  options: { output: string; level: number; threads: number },
): Promise<WrittenFile> {
  const sizeBytes = alignUp(disk.sizeBytes, GCP_SIZE_MULTIPLE_BYTES);
  const archive = sparseTar(disk, { extents: dataExtents(disk), sizeBytes });
  using writer = new SparseWriter(options.output);
  for await (const chunk of gzipBlocks(archive, options)) writer.append(chunk);
  return writer.finish();
}
