import { closeSync, ftruncateSync, openSync, rmSync } from "node:fs";
import { CvmError, openFileSource, type ReportProgress, type Sha256Hex, sourceSha256 } from "@cvm-build/bytes";
import type { FileTree } from "../file-tree.ts";
import { COMPRESSOR_HEAP_MB, type ErofsCompression, erofsCompressionSettings } from "./compression/settings.ts";
import { EROFS_BLOCK_BYTES, EROFS_SLOT_BYTES } from "./format.ts";
import { ContentTable } from "./writing/contents.ts";
import { encodeDirectory } from "./writing/directory.ts";
import { ImageFile } from "./writing/image-file.ts";
import { putInode } from "./writing/inode.ts";
import { type ImageLayout, type ImagePart, layOutImage } from "./writing/layout.ts";
import { type NodePlan, planNodes } from "./writing/nodes.ts";
import { packPieces } from "./writing/piece.ts";
import { checkChunkBytes, storeCompressed, storeInChunks } from "./writing/store-contents.ts";
import { checkLabel, encodeFirstBlock } from "./writing/superblock.ts";
import type { ImageTask } from "./writing/do-tasks.ts";
import { imagePool, runTasks, type RunTasksOptions } from "./writing/tasks.ts";

/**
 * Goes up when the same tree and options would give other bytes: another layout, or another encoder of LZ4. Those of zstd also depend
 * on its version.
 */
export const EROFS_FORMAT_VERSION = 1;

/** What beside the tree decides an image, and how it is made. */
export interface ErofsOptions {
  uuid: string;
  /** At most 16 bytes. */
  label?: string;
  /** No node is newer than this: seconds since 1970. */
  mtimeClampSec: number;
  /** The size of chunks: of files that have equal ones, or ones of zeros, each is stored once or not at all. */
  chunkBytes?: number;
  /** Files that shrink are stored compressed. Not together with `chunkBytes`. */
  compression?: ErofsCompression;
  /** How many threads copy or compress. */
  threads: number;
  /** Whether the image is read again for its digest. */
  isHashed?: boolean;
  report?: ReportProgress;
  signal?: AbortSignal;
}

/** An image that was written. */
export interface WrittenErofs {
  sizeBytes: number;
  /** With `isHashed`. */
  sha256?: Sha256Hex;
  inodeCount: number;
  /** The blocks of inodes and what lies beside them. */
  metadataBlocks: number;
}

/** Fresh memory for the metadata of each part would cost more than what is put into it. */
const SCRATCH_BYTES = 1 << 20;
/** The block after the superblock's. */
const FIRST_DATA_BLOCK = 1;

/**
 * Writes a tree as an erofs image with blocks of 4 KiB, sparse where it can be. The same tree and options give the same
 * bytes, whatever the number of threads and the order in which the tree was filled.
 *
 * Data comes first, then shared attributes, then inodes with the ends of files beside them. Contents that are equal have
 * the same blocks.
 * @param options.output where the image goes; nothing is left there after a failure
 * @throws CvmError `archive` where erofs cannot hold a node; FormatError where a file's content is no longer what its
 * digest says
 */
export async function writeErofs(tree: FileTree, options: ErofsOptions & { output: string }): Promise<WrittenErofs> {
  const { output, chunkBytes, compression, label = "" } = options;
  checkLabel(label);
  if (chunkBytes !== undefined) checkChunkBytes(chunkBytes);
  if (chunkBytes !== undefined && compression) {
    throw new CvmError("archive", "cannot write erofs: expected chunks or compression, got both");
  }
  const plan = planNodes(tree, options);
  const sizeBytes = plan.nodes.reduce((sum, node) => sum + node.sizeBytes, 0);
  // This one copies too, but has enough to do where others compress.
  const others = compression && options.threads > 1 ? options.threads : options.threads - 1;
  await using pool = imagePool({ others, sizeBytes, ...(compression && { maxHeapMb: COMPRESSOR_HEAP_MB }) });
  try {
    closeSync(openSync(output, "w", 0o644));
    return await writeImage(plan, { ...options, pool });
  } catch (error) {
    rmSync(output, { force: true });
    throw error;
  }
}

type WriteOptions = ErofsOptions & RunTasksOptions & { output: string };

async function writeImage(plan: NodePlan, options: WriteOptions): Promise<WrittenErofs> {
  const { output, chunkBytes, compression } = options;
  const contents = new ContentTable(plan.nodes);
  let firstBlock = FIRST_DATA_BLOCK;
  if (compression) firstBlock = await storeCompressed(contents, { ...options, compression, firstBlock });
  if (chunkBytes !== undefined) await storeInChunks(contents, { ...options, chunkBytes });
  const layout = layOutImage(plan.nodes, { contents, firstBlock, chunkBytes, algorithm: compression?.algorithm });
  const places = placesOf(plan, layout);
  const sizeBytes = places.blockCount * EROFS_BLOCK_BYTES;
  resize(output, sizeBytes);
  await copyParts(layout, { ...options, ...places });
  writeRest(plan, { ...options, ...places });
  const { metadataBlocks } = layout;
  const written = { sizeBytes, inodeCount: plan.nodes.length, metadataBlocks };
  return options.isHashed ? { ...written, sha256: hashFile(output) } : written;
}

interface Places {
  xattrBlock: number;
  metaBlock: number;
  blockCount: number;
}

function placesOf({ sharedXattrs }: NodePlan, { dataEndBlock, metadataBlocks }: ImageLayout): Places {
  const metaBlock = dataEndBlock + Math.ceil(sharedXattrs.length / EROFS_BLOCK_BYTES);
  const xattrBlock = sharedXattrs.length > 0 ? dataEndBlock : 0;
  return { xattrBlock, metaBlock, blockCount: metaBlock + metadataBlocks };
}

/** Contents, inodes and the ends of files, with the parts that take longest first. */
async function copyParts({ parts }: ImageLayout, options: WriteOptions & Places): Promise<void> {
  const { output, metaBlock, report } = options;
  const total = parts.reduce((sum, { dataBytes }) => sum + dataBytes, 0);
  let done = 0;
  const scratch = Buffer.alloc(SCRATCH_BYTES);
  const taskOf = (part: ImagePart, { isHere }: { isHere: boolean }): ImageTask => {
    report?.({ stage: "erofs", done, total, unit: "bytes" });
    done += part.dataBytes;
    return {
      kind: "copy",
      output,
      metadata: encodeMetadata(part, isHere ? scratch : undefined),
      metadataOffsetBytes: (metaBlock + part.firstBlock) * EROFS_BLOCK_BYTES,
      pieces: packPieces(part.pieces),
    };
  };
  await runTasks(largestFirst(parts), taskOf, options);
  report?.({ stage: "erofs", done, total, unit: "bytes" });
}

/** A part that is much larger than others has a single large file; the others keep their order. */
function largestFirst(parts: readonly ImagePart[]): ImagePart[] {
  const rank = ({ dataBytes }: ImagePart): number => Math.floor(Math.log2(1 + dataBytes / (32 << 20)));
  return [...parts].sort((a, b) => rank(b) - rank(a));
}

/** The inodes of a part with what follows each, but for the tails of files; in `scratch`, where it has room. */
function encodeMetadata({ nodes, firstBlock, endBlock }: ImagePart, scratch?: Buffer): Buffer {
  const sizeBytes = (endBlock - firstBlock) * EROFS_BLOCK_BYTES;
  const isRoomy = scratch !== undefined && scratch.length >= sizeBytes;
  const metadata = isRoomy ? scratch.subarray(0, sizeBytes).fill(0) : zeroedBuffer(sizeBytes);
  const firstSlot = (firstBlock * EROFS_BLOCK_BYTES) / EROFS_SLOT_BYTES;
  for (const planned of nodes) {
    const tailAt = putInode(planned, metadata, firstSlot);
    const { node, tailSizeBytes } = planned;
    if (tailSizeBytes === 0) continue;
    if (node.kind === "symlink") metadata.write(node.target, tailAt);
    if (node.kind !== "directory") continue;
    const data = encodeDirectory(planned);
    data.copy(metadata, tailAt, data.length - tailSizeBytes);
  }
  return metadata;
}

/** What is not the content of a file: blocks of directories, shared attributes, the superblock. */
function writeRest(plan: NodePlan, options: WriteOptions & Places): void {
  using image = new ImageFile(options.output);
  for (const planned of plan.nodes) {
    const { node, sizeBytes, tailSizeBytes } = planned;
    if (node.kind !== "directory" || sizeBytes === tailSizeBytes) continue;
    image.seek(planned.union * EROFS_BLOCK_BYTES);
    image.append(encodeDirectory(planned).subarray(0, sizeBytes - tailSizeBytes));
    image.pad();
  }
  image.seek(options.xattrBlock * EROFS_BLOCK_BYTES);
  image.append(plan.sharedXattrs);
  image.seek(0);
  image.append(encodeFirstBlock(factsOf(plan, options)));
  image.flush();
}

function factsOf({ nodes, epochSec }: NodePlan, options: WriteOptions & Places) {
  const { uuid, label = "", chunkBytes, compression, xattrBlock, metaBlock, blockCount } = options;
  return {
    ...{ uuid, label, epochSec, xattrBlock, metaBlock, blockCount },
    rootNid: nodes[0]?.nid ?? 0,
    inodeCount: nodes.length,
    isChunked: chunkBytes !== undefined,
    compression: compression && erofsCompressionSettings(compression),
  };
}

function resize(path: string, sizeBytes: number): void {
  const file = openSync(path, "r+");
  try {
    ftruncateSync(file, sizeBytes);
  } finally {
    closeSync(file);
  }
}

function hashFile(path: string): Sha256Hex {
  using source = openFileSource(path);
  return sourceSha256(source);
}

/** Zeros in memory that nothing else is in, so that it can be handed over. */
function zeroedBuffer(sizeBytes: number): Buffer {
  return Buffer.from(new ArrayBuffer(sizeBytes));
}
