import { alignUp, type ByteSource, FormatError } from "@cvm-build/bytes";
import { EROFS_CLUSTER_TYPE, EROFS_D0_CBLKCNT, EROFS_PARTIAL_REF, ErofsClusterIndex } from "../format.ts";

/** What the map says of one logical cluster. */
export interface ClusterIndex {
  /** One of `EROFS_CLUSTER_TYPE`. */
  type: number;
  /** Heads: where in the cluster the extent begins. */
  clusterOffset: number;
  /** Heads: where the physical cluster begins. */
  block: number;
  /** The first cluster after a head: how many blocks the physical cluster has, where that is said. */
  blockCount: number | undefined;
  /** Heads: whether the physical cluster holds more than the extent. */
  isPartial: boolean;
}

/** Where indexes are and how many. */
export interface IndexTable {
  /** Where they begin. */
  offsetBytes: number;
  /** How many logical clusters the file has. */
  count: number;
}

const TYPE_MASK = 0x3;
const FULL_STEP_BYTES = ErofsClusterIndex.sizeBytes * 512;
const OFFSETS = {
  advise: ErofsClusterIndex.offsetOf("advise"),
  clusterOffset: ErofsClusterIndex.offsetOf("clusterOffset"),
  union: ErofsClusterIndex.offsetOf("union"),
};

/**
 * Full indexes: 8 bytes each.
 * @throws FormatError where the table leaves the image
 * @see Linux, fs/erofs/zmap.c, z_erofs_load_full_lcluster
 */
export function* fullIndexes(source: ByteSource, table: IndexTable): Generator<ClusterIndex> {
  const end = fullIndexesEnd(table);
  checkEnd(source, end);
  for (let at = table.offsetBytes; at < end; at += FULL_STEP_BYTES) {
    const step = source.read(at, Math.min(FULL_STEP_BYTES, end - at));
    for (let entry = 0; entry < step.length; entry += ErofsClusterIndex.sizeBytes) yield fullIndex(step, entry);
  }
}

/** Where full indexes end, and inline data begins. */
export function fullIndexesEnd({ offsetBytes, count }: IndexTable): number {
  return offsetBytes + count * ErofsClusterIndex.sizeBytes;
}

function fullIndex(bytes: Buffer, entry: number): ClusterIndex {
  const advise = bytes.readUInt16LE(entry + OFFSETS.advise);
  const type = advise & TYPE_MASK;
  const isHead = type !== EROFS_CLUSTER_TYPE.nonhead;
  const distance = bytes.readUInt16LE(entry + OFFSETS.union);
  return {
    type,
    clusterOffset: bytes.readUInt16LE(entry + OFFSETS.clusterOffset),
    block: bytes.readUInt32LE(entry + OFFSETS.union),
    blockCount: isHead ? undefined : countedBlocks(distance),
    isPartial: isHead && (advise & EROFS_PARTIAL_REF) !== 0,
  };
}

function countedBlocks(distance: number): number | undefined {
  return (distance & EROFS_D0_CBLKCNT) === 0 ? undefined : distance & ~EROFS_D0_CBLKCNT;
}

/** A pack: indexes of so many bits, then the block that its first head counts from. */
interface Pack {
  indexes: number;
  sizeBytes: number;
  bits: number;
}
const BASE_BYTES = 4;
const PACK_4B: Pack = { indexes: 2, sizeBytes: 8, bits: 16 };
const PACK_2B: Pack = { indexes: 16, sizeBytes: 32, bits: 14 };
/** An index holds an offset or a distance, of at least as many bits as a count of blocks with its mark takes, and a type. */
const MIN_VALUE_BITS = 12;
const TYPE_BITS = 2;

/** How compact indexes are to be read. */
export interface CompactOptions {
  /** Power of two of a logical cluster. */
  clusterBits: number;
  /** Whether indexes may take 2 bytes. */
  has2B: boolean;
  /** Whether physical clusters may have several blocks. */
  hasBigClusters: boolean;
}

/**
 * Compact indexes: in packs of 2 or 16, where those of 16 begin at a multiple of their size.
 * @throws FormatError where the table leaves the image, or clusters are too large for such indexes
 * @see Linux, fs/erofs/zmap.c, z_erofs_load_compact_lcluster
 */
export function* compactIndexes(
  source: ByteSource,
  table: IndexTable,
  options: CompactOptions,
): Generator<ClusterIndex> {
  checkEnd(source, compactIndexesEnd(table, options));
  let left = table.count;
  for (const { pack, count, offsetBytes } of packGroups(table, options)) {
    if (Math.max(options.clusterBits, MIN_VALUE_BITS) + TYPE_BITS > pack.bits) {
      throw new FormatError({ record: "erofs", field: "cluster map" }, "expected clusters that such indexes can hold");
    }
    for (let number = 0; number < count; number++) {
      const bytes = source.read(offsetBytes + number * pack.sizeBytes, pack.sizeBytes);
      yield* packIndexes(bytes, pack, { ...options, count: Math.min(left, pack.indexes) });
      left -= pack.indexes;
    }
  }
}

/** Where compact indexes end, and inline data begins. */
export function compactIndexesEnd(table: IndexTable, options: CompactOptions): number {
  return packGroups(table, options).reduce((end, { pack, count }) => end + count * pack.sizeBytes, table.offsetBytes);
}

function packGroups(
  { offsetBytes, count }: IndexTable,
  { has2B }: CompactOptions,
): { pack: Pack; count: number; offsetBytes: number }[] {
  const before = (alignUp(offsetBytes, PACK_2B.sizeBytes) - offsetBytes) / PACK_4B.sizeBytes;
  const left = count - before * PACK_4B.indexes;
  if (!has2B || left < PACK_2B.indexes) {
    return [{ pack: PACK_4B, count: Math.ceil(count / PACK_4B.indexes), offsetBytes }];
  }
  const full = Math.floor(left / PACK_2B.indexes);
  const after = Math.ceil((left - full * PACK_2B.indexes) / PACK_4B.indexes);
  const fullOffset = offsetBytes + before * PACK_4B.sizeBytes;
  return [
    { pack: PACK_4B, count: before, offsetBytes },
    { pack: PACK_2B, count: full, offsetBytes: fullOffset },
    { pack: PACK_4B, count: after, offsetBytes: fullOffset + full * PACK_2B.sizeBytes },
  ];
}

/** Each physical cluster lies behind the one before: a head's block is the base and the blocks of those before it. */
function* packIndexes(
  bytes: Buffer,
  pack: Pack,
  { clusterBits, hasBigClusters, count }: CompactOptions & { count: number },
): Generator<ClusterIndex> {
  const valueBits = Math.max(clusterBits, MIN_VALUE_BITS);
  const base = bytes.readUInt32LE(pack.sizeBytes - BASE_BYTES);
  // Without large clusters the base is the block before.
  let blocks = hasBigClusters ? 0 : 1;
  let isAfterHead = false;
  for (let index = 0; index < count; index++) {
    const at = index * pack.bits;
    const encoded = bytes.readUInt32LE(at >> 3) >>> (at & 7);
    const value = encoded & ((1 << valueBits) - 1);
    const type = (encoded >>> valueBits) & TYPE_MASK;
    const isHead = type !== EROFS_CLUSTER_TYPE.nonhead;
    const blockCount = isHead ? undefined : countedBlocks(value);
    if (blockCount !== undefined) blocks += blockCount;
    else if (isAfterHead) blocks++;
    yield { type, clusterOffset: value, block: base + blocks, blockCount, isPartial: false };
    isAfterHead = isHead;
  }
}

function checkEnd(source: ByteSource, end: number): void {
  if (end <= source.sizeBytes) return;
  throw new FormatError({ record: "erofs", field: "cluster map" }, "expected indexes within the image");
}
