import { createHash } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import { finishSha256, paddingTo, type Sha256Hex } from "@cvm-build/bytes";
import { compressChunks } from "../compression/compress.ts";
import { CPIO_ALIGNMENT } from "../cpio/format.ts";
import { cpioSizeBytes, encodeCpio, layOutCpio, type PathAndNode } from "../cpio/writer.ts";
import type { SegmentSettings } from "./plan.ts";

/** What a thread needs to make one segment. */
export interface SegmentTask extends SegmentSettings {
  entries: PathAndNode[];
  temporaryPath: string;
}

/** What was written to `temporaryPath`. */
export interface WrittenSegment {
  sizeBytes: number;
  sha256: Sha256Hex;
  uncompressedSizeBytes: number;
}

/**
 * Packs, compresses, hashes and writes one segment, a block at a time.
 * @throws FormatError where a file's content is no longer what its digest says; CvmError `archive` as `layOutCpio`
 */
export async function writeSegment(task: SegmentTask): Promise<WrittenSegment> {
  const { entries, compression, mtimeClampSec, temporaryPath } = task;
  const records = layOutCpio(entries, { mtimeClampSec });
  const uncompressedSizeBytes = cpioSizeBytes(records);
  const hash = createHash("sha256");
  let sizeBytes = 0;
  const file = openSync(temporaryPath, "w", 0o644);
  const take = (chunk: Buffer): void => {
    hash.update(chunk);
    writeAll(file, chunk);
    sizeBytes += chunk.length;
  };
  try {
    const blocks = inBlocks(encodeCpio(records));
    for await (const chunk of compressChunks(blocks, { compression, sizeBytes: uncompressedSizeBytes })) take(chunk);
    take(Buffer.alloc(paddingTo(sizeBytes, CPIO_ALIGNMENT)));
  } finally {
    closeSync(file);
  }
  return { sizeBytes, sha256: finishSha256(hash), uncompressedSizeBytes };
}

const BLOCK_BYTES = 1 << 20;

/** The same bytes in blocks of one size: the compressor's result must not hang on how its input was cut. */
function* inBlocks(chunks: Iterable<Buffer>): Generator<Buffer> {
  let block = Buffer.allocUnsafe(BLOCK_BYTES);
  let filledBytes = 0;
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length;) {
      const copiedBytes = chunk.copy(block, filledBytes, at);
      at += copiedBytes;
      filledBytes += copiedBytes;
      if (filledBytes < BLOCK_BYTES) continue;
      yield block;
      block = Buffer.allocUnsafe(BLOCK_BYTES);
      filledBytes = 0;
    }
  }
  if (filledBytes > 0) yield block.subarray(0, filledBytes);
}

function writeAll(file: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done);
}
