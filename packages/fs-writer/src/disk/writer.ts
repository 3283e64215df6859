import {
  borrowedChunksOf,
  bytesSource,
  CvmError,
  type FileSource,
  openFileSource,
  type Sha256Hex,
} from "@cvm-build/bytes";
import type { FsWriterErrorCode } from "../errors.ts";
import { type GptOptions, type GptPartition, layOutGpt } from "../gpt/writer.ts";
import { SparseWriter } from "./sparse-writer.ts";

/** What is in a partition, from its start on: a file, or bytes in memory. */
export type PartitionContent = { path: string } | { bytes: Uint8Array };

/** A partition with its content; zeros follow, or are all there is. */
export interface DiskPartition extends GptPartition {
  content?: PartitionContent;
}

/** A disk that is to be. */
export interface DiskOptions extends GptOptions {
  output: string;
  /** In their order on the disk. */
  partitions: readonly DiskPartition[];
}

/** A disk that was written. */
export interface WrittenDisk {
  sizeBytes: number;
  sha256: Sha256Hex;
  partitions: (DiskPartition & { offsetBytes: number })[];
  /** The disk's first bytes, up to the end of the partition table: what firmware measures to PCR 5 is made of them. */
  table: Buffer;
}

/**
 * Writes a raw disk image with a partition table, sparse: what is zero takes no room. Memory does not grow with the disk.
 * @throws CvmError `disk` where a partition's content is larger than the partition, and as `layOutGpt`
 */
export function writeDisk(options: DiskOptions): WrittenDisk {
  const layout = layOutGpt(options.partitions, options);
  using writer = new SparseWriter(options.output);
  writer.append(layout.primary);
  for (const { content, label, offsetBytes, sizeBytes } of layout.partitions) {
    writer.skipTo(offsetBytes);
    if (content) copyContent(content, { writer, label, sizeBytes });
  }
  writer.skipTo(layout.sizeBytes - layout.backup.length);
  writer.append(layout.backup);
  return { ...writer.finish(), partitions: layout.partitions, table: layout.primary };
}

function copyContent(
  content: PartitionContent,
  { writer, label, sizeBytes }: { writer: SparseWriter; label: string; sizeBytes: number },
): void {
  using source = "path" in content ? openFileSource(content.path) : memorySource(content.bytes);
  if (source.sizeBytes > sizeBytes) {
    throw new CvmError<FsWriterErrorCode>(
      "disk",
      `cannot fill partition "${label}": expected at most ${sizeBytes} bytes, got ${source.sizeBytes}`,
    );
  }
  for (const chunk of borrowedChunksOf(source)) writer.append(chunk);
}

function memorySource(bytes: Uint8Array): Omit<FileSource, "path"> {
  return { ...bytesSource(bytes), [Symbol.dispose]: () => undefined };
}
