import { CvmError, type ReportProgress, sha256Hex, type Sha256Hex } from "@cvm-build/bytes";
import type { Content } from "../../tree.ts";
import type { CompressedExtent } from "../compression/cluster-map.ts";
import type { ErofsCompression } from "../compression/settings.ts";
import { EROFS_BLOCK_BYTES } from "../format.ts";
import type { ContentTable } from "./contents.ts";
import { ImageFile } from "./image-file.ts";
import { HOLE_DIGEST, packPieces, wholeContent } from "./piece.ts";
import { runTasks, type RunTasksOptions } from "./tasks.ts";

/** A chunk is in memory as a whole. Larger ones that are equal are rare, and erofs could have them. */
const MAX_CHUNK_BYTES = 16 << 20;
/** How much of contents one task hashes. */
const TASK_BYTES = 32 << 20;

/** How contents are compressed, and where they go. */
export interface StoreCompressedOptions extends RunTasksOptions {
  compression: ErofsCompression;
  output: string;
  firstBlock: number;
  threads: number;
  report?: ReportProgress;
}

/**
 * Compresses contents and writes those that shrink, and the blocks of the others while they are at hand.
 * @returns the first block that is free
 */
export async function storeCompressed(
  contents: ContentTable,
  { output, report, ...options }: StoreCompressedOptions,
): Promise<number> {
  const list = contents.blockContents();
  const tailSizes = contents.tailSizes();
  // Only here, since most of what compresses is not needed by images that are not.
  const { compressContents } = await import("../compression/compress-contents.ts");
  using image = new ImageFile(output);
  let nextBlock = options.firstBlock;
  let current = emptyWriting(nextBlock);
  image.seek(nextBlock * EROFS_BLOCK_BYTES);
  for await (const { index, kind, data, extents, isLast } of compressContents(list, options)) {
    const { sizeBytes, sha256 } = list[index] as Content;
    if (kind === "clusters") {
      image.append(data);
      current.extents.push(...extents);
      current.writtenBytes += data.byteLength;
      if (!isLast) continue;
      nextBlock += current.writtenBytes / EROFS_BLOCK_BYTES;
      const { firstBlock, extents: all } = current;
      contents.stored.set(sha256, { kind: "clusters", firstBlock, blocks: nextBlock - firstBlock, extents: all });
    } else {
      const tailSizeBytes = tailSizes.get(sha256) ?? 0;
      const blockBytes = sizeBytes - tailSizeBytes;
      const own = data.subarray(0, Math.max(0, Math.min(data.byteLength, blockBytes - current.writtenBytes)));
      image.append(own);
      current.tail.push(Buffer.from(data.subarray(own.byteLength)));
      current.writtenBytes += own.byteLength;
      if (!isLast) continue;
      image.pad();
      nextBlock += Math.ceil(blockBytes / EROFS_BLOCK_BYTES);
      const tailSha256 = tailSizeBytes > 0 ? sha256Hex(Buffer.concat(current.tail)) : undefined;
      contents.stored.set(sha256, { kind: "blocks", firstBlock: current.firstBlock, tailSha256 });
    }
    current = emptyWriting(nextBlock);
    report?.({ stage: "compress", done: index + 1, total: list.length, unit: "items" });
  }
  image.flush();
  return nextBlock;
}

/**
 * Finds the contents of which some chunk is all zeros or occurs more than once.
 * @throws FormatError where a content is no longer what its digest says
 */
export async function storeInChunks(
  contents: ContentTable,
  { chunkBytes, ...options }: RunTasksOptions & { chunkBytes: number },
): Promise<void> {
  const batches = batchesOf(contents.blockContents());
  const task = (batch: Content[]) => ({
    kind: "chunks" as const,
    chunkBytes,
    pieces: packPieces(batch.map((content) => wholeContent(content))),
  });
  const results = await runTasks(batches, task, options);
  const counts = new Map<Sha256Hex, number>([[HOLE_DIGEST, 2]]);
  for (const digest of results.flat(2)) counts.set(digest, (counts.get(digest) ?? 0) + 1);
  for (const [batchIndex, batch] of batches.entries()) {
    for (const [index, { sha256 }] of batch.entries()) {
      const digests = results[batchIndex]?.[index] ?? [];
      if (digests.some((digest) => (counts.get(digest) ?? 0) > 1))
        contents.stored.set(sha256, { kind: "chunks", digests });
    }
  }
}

/**
 * Checks the size of chunks.
 * @throws CvmError `archive`
 */
export function checkChunkBytes(chunkBytes: number): void {
  const isPowerOfTwo = Number.isInteger(Math.log2(chunkBytes));
  if (isPowerOfTwo && chunkBytes >= EROFS_BLOCK_BYTES && chunkBytes <= MAX_CHUNK_BYTES) return;
  const expected = `a power of two from ${EROFS_BLOCK_BYTES} to ${MAX_CHUNK_BYTES}`;
  throw new CvmError("archive", `cannot cut files into chunks: expected ${expected}, got ${chunkBytes}`);
}

interface Writing {
  firstBlock: number;
  writtenBytes: number;
  extents: CompressedExtent[];
  tail: Buffer[];
}

function emptyWriting(firstBlock: number): Writing {
  return { firstBlock, writtenBytes: 0, extents: [], tail: [] };
}

function batchesOf(contents: readonly Content[]): Content[][] {
  const batches: Content[][] = [];
  let batchBytes = Number.POSITIVE_INFINITY;
  for (const content of contents) {
    if (batchBytes >= TASK_BYTES) {
      batches.push([]);
      batchBytes = 0;
    }
    batches.at(-1)?.push(content);
    batchBytes += content.sizeBytes;
  }
  return batches;
}
