import { alignUp, FormatError } from "@cvm-build/bytes";
import {
  EROFS_BLOCK_MAP_ENTRY_BYTES,
  EROFS_CHUNK_BITS_MASK,
  EROFS_CHUNK_INDEXES,
  EROFS_NULL_BLOCK,
  ErofsChunkIndex,
} from "../format.ts";
import type { ErofsInode } from "./inode.ts";
import type { ErofsRun } from "./run.ts";
import type { ErofsVolume } from "./superblock.ts";

/** How much of a table of chunks is read at a time. */
const TABLE_STEP_BYTES = 4096;

/**
 * Runs of an inode whose blocks lie one after the other.
 * @throws FormatError where its last part, behind the inode, would cross a block's end
 * @see Linux, fs/erofs/data.c, erofs_map_blocks_flatmode
 */
export function* flatRuns(volume: ErofsVolume, inode: ErofsInode): Generator<ErofsRun> {
  const { blockBytes } = volume;
  const { sizeBytes, layout, union, endOffsetBytes } = inode;
  if (sizeBytes === 0) return;
  const isHole = layout === "flatPlain" && union === EROFS_NULL_BLOCK;
  const tailOffset = layout === "flatInline" ? (Math.ceil(sizeBytes / blockBytes) - 1) * blockBytes : sizeBytes;
  if (isHole) yield { kind: "hole", offsetBytes: 0, sizeBytes };
  else if (tailOffset > 0) {
    yield { kind: "stored", offsetBytes: 0, sizeBytes: tailOffset, physicalOffsetBytes: union * blockBytes };
  }
  const tailBytes = sizeBytes - tailOffset;
  if (tailBytes === 0) return;
  if ((endOffsetBytes % blockBytes) + tailBytes > blockBytes) {
    throw new FormatError({ record: "erofs", field: "inline data" }, `expected inode ${inode.nid}'s in one block`);
  }
  yield { kind: "stored", offsetBytes: tailOffset, sizeBytes: tailBytes, physicalOffsetBytes: endOffsetBytes };
}

/**
 * Runs of an inode that has a table of chunks. Chunks that lie one after the other make one run.
 * @throws FormatError where the table leaves the image or names another device
 * @see Linux, fs/erofs/data.c, erofs_map_blocks
 */
export function* chunkRuns(volume: ErofsVolume, inode: ErofsInode): Generator<ErofsRun> {
  const format = inode.union & 0xffff;
  const place = { record: "erofs", field: "chunk format" };
  if ((format & ~(EROFS_CHUNK_BITS_MASK | EROFS_CHUNK_INDEXES)) !== 0) {
    throw new FormatError(place, `expected a known one of inode ${inode.nid}, got 0x${format.toString(16)}`);
  }
  const chunkBytes = volume.blockBytes * 2 ** (format & EROFS_CHUNK_BITS_MASK);
  let run: ErofsRun | undefined;
  let offsetBytes = 0;
  for (const block of chunkBlocks(volume, inode, { format, count: Math.ceil(inode.sizeBytes / chunkBytes) })) {
    const sizeBytes = Math.min(chunkBytes, inode.sizeBytes - offsetBytes);
    const next: ErofsRun =
      block === EROFS_NULL_BLOCK
        ? { kind: "hole", offsetBytes, sizeBytes }
        : { kind: "stored", offsetBytes, sizeBytes, physicalOffsetBytes: block * volume.blockBytes };
    if (run && isContinued(run, next)) run.sizeBytes += sizeBytes;
    else {
      if (run) yield run;
      run = next;
    }
    offsetBytes += sizeBytes;
  }
  if (run) yield run;
}

function isContinued(run: ErofsRun, next: ErofsRun): boolean {
  if (run.kind === "hole") return next.kind === "hole";
  if (run.kind !== "stored" || next.kind !== "stored") return false;
  return run.physicalOffsetBytes + run.sizeBytes === next.physicalOffsetBytes;
}

function* chunkBlocks(
  volume: ErofsVolume,
  inode: ErofsInode,
  { format, count }: { format: number; count: number },
): Generator<number> {
  const hasIndexes = (format & EROFS_CHUNK_INDEXES) !== 0;
  const entryBytes = hasIndexes ? ErofsChunkIndex.sizeBytes : EROFS_BLOCK_MAP_ENTRY_BYTES;
  const start = alignUp(inode.endOffsetBytes, entryBytes);
  const end = start + count * entryBytes;
  if (end > volume.source.sizeBytes) {
    throw new FormatError({ record: "erofs", field: "chunks" }, `expected a table of ${count} within the image`);
  }
  for (let at = start; at < end; at += TABLE_STEP_BYTES) {
    const table = volume.source.read(at, Math.min(TABLE_STEP_BYTES, end - at));
    for (let entry = 0; entry < table.length; entry += entryBytes) {
      yield hasIndexes ? blockOf(table, entry) : table.readUInt32LE(entry);
    }
  }
}

const DEVICE_OFFSET = ErofsChunkIndex.offsetOf("deviceId");
const BLOCK_OFFSET = ErofsChunkIndex.offsetOf("block");

function blockOf(table: Buffer, entry: number): number {
  const block = table.readUInt32LE(entry + BLOCK_OFFSET);
  const device = table.readUInt16LE(entry + DEVICE_OFFSET);
  if (device === 0 || block === EROFS_NULL_BLOCK) return block;
  throw new FormatError({ record: ErofsChunkIndex.recordName, field: "deviceId" }, `expected 0, got ${device}`);
}
