import { alignUp, assert } from "@cvm-build/bytes";
import {
  EROFS_ADVISE,
  EROFS_BLOCK_BITS,
  EROFS_BLOCK_BYTES,
  EROFS_CLUSTER_TYPE,
  EROFS_D0_CBLKCNT,
  ErofsMapHeader,
} from "../format.ts";
import { algorithmNumber, type ErofsCompression } from "./settings.ts";

/**
 * A stretch of a file and the blocks that hold it, which lie behind those of the extent before. A compressed one is one
 * physical cluster; of one that is not, every block holds the next 4096 bytes and only the last may hold fewer.
 */
export interface CompressedExtent {
  logicalOffsetBytes: number;
  logicalSizeBytes: number;
  physicalBlocks: number;
  isCompressed: boolean;
}

/** What decides the bytes of a map beside the extents. */
export interface ClusterMapPlace {
  /** The file's size. */
  sizeBytes: number;
  /** Where the first extent lies. */
  firstBlock: number;
  /** Size of the inode with its attributes. The map comes next, at a multiple of 8 bytes. */
  inodeSizeBytes: number;
  algorithm: ErofsCompression["algorithm"];
}

/** Where a map begins behind an inode, and how packs of indexes are aligned there. */
const MAP_ALIGNMENT = 8;
const PACK_2B = { indexes: 16, sizeBytes: 32, indexBits: 14 } as const;
const PACK_4B = { indexes: 2, sizeBytes: 8, indexBits: 16 } as const;

/**
 * How many bytes the map of a file takes: a header, then packs of 4 bytes an index up to a multiple of 32 bytes, packs of
 * 2 bytes as long as they are full, and packs of 4 bytes again.
 */
export function clusterMapSizeBytes(place: Pick<ClusterMapPlace, "sizeBytes" | "inodeSizeBytes">): number {
  const { before, full, after } = packCounts(place);
  return ErofsMapHeader.sizeBytes + (before + after) * PACK_4B.sizeBytes + full * PACK_2B.sizeBytes;
}

/**
 * Encodes the map of a compressed file: its header and compact indexes, as they follow the inode in the layout
 * `compressedCompact`.
 * @param extents the whole file, in order and without gaps
 * @see Linux, fs/erofs/zmap.c, z_erofs_load_compact_lcluster
 */
export function encodeClusterMap(extents: readonly CompressedExtent[], place: ClusterMapPlace): Buffer {
  const header = ErofsMapHeader.encode({
    fragmentOffset: 0,
    advise: EROFS_ADVISE.compacted2B | EROFS_ADVISE.bigPcluster1 | EROFS_ADVISE.bigPcluster2,
    algorithms: algorithmNumber(place.algorithm),
    clusterBits: 0,
  });
  const map = Buffer.alloc(clusterMapSizeBytes(place));
  header.copy(map);
  const packer = new IndexPacker(logicalClusters(extents, place.sizeBytes), place.firstBlock);
  const { before, full, after } = packCounts(place);
  let at = header.length;
  for (let pack = 0; pack < before; pack++) at = packer.pack(map, at, PACK_4B);
  for (let pack = 0; pack < full; pack++) at = packer.pack(map, at, PACK_2B);
  for (let pack = 0; pack < after; pack++) at = packer.pack(map, at, PACK_4B);
  return map;
}

function packCounts({ sizeBytes, inodeSizeBytes }: Pick<ClusterMapPlace, "sizeBytes" | "inodeSizeBytes">) {
  const indexes = Math.ceil(sizeBytes / EROFS_BLOCK_BYTES);
  const start = alignUp(inodeSizeBytes, MAP_ALIGNMENT) + ErofsMapHeader.sizeBytes;
  const before = (alignUp(start, PACK_2B.sizeBytes) - start) / PACK_4B.sizeBytes;
  const left = indexes - before * PACK_4B.indexes;
  if (left < 0) return { before: 0, full: 0, after: Math.ceil(indexes / PACK_4B.indexes) };
  const full = Math.floor(left / PACK_2B.indexes);
  return { before, full, after: Math.ceil((left - full * PACK_2B.indexes) / PACK_4B.indexes) };
}

/** One element a logical cluster, which is a block of the file. */
interface LogicalClusters {
  types: Uint8Array;
  /** Heads: where in the cluster the extent begins. Others: how far back the head is, or first its count of blocks. */
  values: Uint16Array;
  /** How far it is to the next head. */
  distances: Uint16Array;
}

/** Distances from here on would read as a count of blocks; readers go on from where a shorter one leads. */
const MAX_DISTANCE = EROFS_D0_CBLKCNT - 1;

function logicalClusters(extents: readonly CompressedExtent[], sizeBytes: number): LogicalClusters {
  const count = Math.ceil(sizeBytes / EROFS_BLOCK_BYTES);
  const types = new Uint8Array(count);
  const values = new Uint16Array(count);
  const distances = new Uint16Array(count);
  let filled = 0;
  const add = (startBytes: number, endBytes: number, head: { type: number; blocks: number }): void => {
    const first = Math.floor(startBytes / EROFS_BLOCK_BYTES);
    const end = Math.max(Math.floor(endBytes / EROFS_BLOCK_BYTES), first + 1);
    assert(first === filled && end <= count, "extents of a file follow each other and are larger than their blocks");
    types[first] = head.type;
    values[first] = startBytes % EROFS_BLOCK_BYTES;
    for (let index = first + 1; index < end; index++) {
      const distance = index - first;
      types[index] = EROFS_CLUSTER_TYPE.nonhead;
      values[index] = distance === 1 ? EROFS_D0_CBLKCNT | head.blocks : Math.min(distance, MAX_DISTANCE);
      distances[index] = Math.min(end - index, MAX_DISTANCE);
    }
    filled = end;
  };
  for (const { logicalOffsetBytes: start, logicalSizeBytes, physicalBlocks, isCompressed } of extents) {
    const end = start + logicalSizeBytes;
    if (isCompressed) add(start, end, { type: EROFS_CLUSTER_TYPE.head1, blocks: physicalBlocks });
    else {
      for (let at = start; at < end; at += EROFS_BLOCK_BYTES) {
        add(at, Math.min(at + EROFS_BLOCK_BYTES, end), { type: EROFS_CLUSTER_TYPE.plain, blocks: 1 });
      }
    }
  }
  // A last extent that ends inside its cluster is closed by a head with nothing in it.
  if (filled < count) values[filled++] = sizeBytes % EROFS_BLOCK_BYTES;
  assert(filled === count, `expected extents of ${count} clusters, got ${filled}`);
  return { types, values, distances };
}

/** Writes packs of indexes one after the other: each has the block of its first head, from which readers count on. */
class IndexPacker {
  readonly #clusters: LogicalClusters;
  #next = 0;
  #block: number;
  /** The last head has not told its blocks, which are one then. */
  #isCountOpen = false;

  constructor(clusters: LogicalClusters, firstBlock: number) {
    this.#clusters = clusters;
    this.#block = firstBlock;
  }

  /** @returns where the next pack begins */
  pack(map: Buffer, offsetBytes: number, shape: typeof PACK_2B | typeof PACK_4B): number {
    const { types, values, distances } = this.#clusters;
    const last = this.#next + shape.indexes - 1;
    const end = Math.min(last + 1, types.length);
    let base = this.#block;
    let isHeadSeen = false;
    for (let bit = offsetBytes * 8; this.#next < end; this.#next++, bit += shape.indexBits) {
      const index = this.#next;
      const type = types[index] as number;
      let value = values[index] as number;
      if (type !== EROFS_CLUSTER_TYPE.nonhead) {
        if (this.#isCountOpen) this.#block += 1;
        if (!isHeadSeen && this.#isCountOpen) base = this.#block;
        this.#isCountOpen = isHeadSeen = true;
      } else if (value & EROFS_D0_CBLKCNT) {
        this.#block += value & ~EROFS_D0_CBLKCNT;
        this.#isCountOpen = false;
      } else if (index === last) {
        value = distances[index] as number;
      }
      putBits(map, bit, (type << EROFS_BLOCK_BITS) | value);
    }
    const next = offsetBytes + shape.sizeBytes;
    map.writeUInt32LE(base, next - 4);
    return next;
  }
}

/** Sets up to 16 bits at any bit of zeros, least significant first. */
function putBits(bytes: Buffer, bit: number, value: number): void {
  const at = bit >>> 3;
  const shifted = value << (bit & 7);
  bytes[at] = (bytes[at] as number) | (shifted & 0xff);
  bytes[at + 1] = (bytes[at + 1] as number) | ((shifted >>> 8) & 0xff);
  bytes[at + 2] = (bytes[at + 2] as number) | ((shifted >>> 16) & 0xff);
}
