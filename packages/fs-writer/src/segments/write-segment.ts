import { createHash } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { finishSha256, paddingTo, type Sha256Hex, writeFully } from "@cvm-build/bytes";
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
 * Packs, compresses, hashes and writes one segment, in memory that does not grow with it.
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
    writeFully(file, chunk);
    sizeBytes += chunk.length;
  };
  try {
    const archive = encodeCpio(records);
    for await (const chunk of compressChunks(archive, { compression, sizeBytes: uncompressedSizeBytes })) take(chunk);
    take(Buffer.alloc(paddingTo(sizeBytes, CPIO_ALIGNMENT)));
  } finally {
    closeSync(file);
  }
  return { sizeBytes, sha256: finishSha256(hash), uncompressedSizeBytes };
}
