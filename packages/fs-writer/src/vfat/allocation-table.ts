import { type ByteSource, FormatError } from "@cvm-build/bytes";
import { windowSource } from "../window-source.ts";
import { type FatVariant, FIRST_CLUSTER, FIXED_MEDIA, VARIANTS } from "./format.ts";
import { clusterBytesOf, clusterOffsetBytes, type Geometry } from "./geometry.ts";

/** Clusters in a row. */
export interface ClusterRun {
  first: number;
  count: number;
}

/** The upper four bits of an entry of FAT32 mean nothing. */
const FAT32_MASK = 0x0fffffff;
/** What an entry holds, beside the number of the next cluster, counted down from the largest value. */
const FIRST_END_OF_CHAIN = 7;
const BAD_CLUSTER = 8;

function maxEntry(variant: FatVariant): number {
  return variant === "fat32" ? FAT32_MASK : 2 ** VARIANTS[variant].bits - 1;
}

/**
 * A table in which every run is one chain, up to its last entry that is not zero.
 * @param runs in ascending order, without gaps from the first cluster on
 * @see Microsoft, FAT: General Overview of On-Disk Format 1.03, "FAT Data Structure"
 */
export function encodeTable(variant: FatVariant, runs: readonly ClusterRun[]): Buffer {
  const end = maxEntry(variant);
  const last = runs.at(-1);
  const entries = last ? last.first + last.count : FIRST_CLUSTER;
  const bytes = Buffer.alloc(Math.ceil((entries * VARIANTS[variant].bits) / 8));
  const put = (cluster: number, value: number): void => {
    if (variant === "fat32") bytes.writeUInt32LE(value, cluster * 4);
    else if (variant === "fat16") bytes.writeUInt16LE(value, cluster * 2);
    else {
      const at = cluster + (cluster >> 1);
      const isOdd = (cluster & 1) === 1;
      bytes[at] = isOdd ? (bytes[at] ?? 0) | ((value & 15) << 4) : value & 0xff;
      if (at + 1 < bytes.length) bytes[at + 1] = isOdd ? value >> 4 : ((bytes[at + 1] ?? 0) & 0xf0) | (value >> 8);
    }
  };
  put(0, end - 0xff + FIXED_MEDIA);
  put(1, end);
  for (const { first, count } of runs) {
    for (let cluster = first; cluster < first + count - 1; cluster++) put(cluster, cluster + 1);
    put(first + count - 1, end);
  }
  return bytes;
}

/** Reads chains of a foreign table. A cluster is given out once: links in a circle and between chains are refused. */
export class ChainReader {
  readonly #source: ByteSource;
  readonly #geometry: Geometry;
  readonly #used: Uint8Array;

  /** @param source the volume */
  constructor(source: ByteSource, geometry: Geometry) {
    this.#source = windowSource(source);
    this.#geometry = geometry;
    this.#used = new Uint8Array((geometry.clusters + FIRST_CLUSTER + 7) >> 3);
  }

  /**
   * The chain that starts at `cluster`, neighbours together.
   * @param what whose chain it is, for errors
   * @throws FormatError where the chain leaves the volume, meets a bad or free cluster, or one that is in use
   */
  follow(cluster: number, what: string): ClusterRun[] {
    const runs: ClusterRun[] = [];
    const end = maxEntry(this.#geometry.variant) - FIRST_END_OF_CHAIN;
    for (let at = cluster; ;) {
      this.#take(at, what);
      const run = runs.at(-1);
      if (run && run.first + run.count === at) run.count++;
      else runs.push({ first: at, count: 1 });
      const next = this.next(at);
      if (next >= end) return runs;
      at = next;
    }
  }

  /** What the table holds for `cluster`. */
  next(cluster: number): number {
    const { variant, reservedSectors, sectorBytes } = this.#geometry;
    const table = reservedSectors * sectorBytes;
    if (variant === "fat32") return this.#source.read(table + cluster * 4, 4).readUInt32LE() & FAT32_MASK;
    if (variant === "fat16") return this.#source.read(table + cluster * 2, 2).readUInt16LE();
    const word = this.#source.read(table + cluster + (cluster >> 1), 2).readUInt16LE();
    return (cluster & 1) === 1 ? word >> 4 : word & 0xfff;
  }

  #take(cluster: number, what: string): void {
    const fail = (found: string): never => {
      throw new FormatError({ record: "FAT", field: what }, `expected a cluster of its own, got ${cluster}, ${found}`);
    };
    const { variant, clusters } = this.#geometry;
    if (cluster === 0) fail("which means a free one");
    if (cluster === maxEntry(variant) - BAD_CLUSTER) fail("which means a bad one");
    if (cluster < FIRST_CLUSTER || cluster >= clusters + FIRST_CLUSTER) fail("which the volume does not have");
    const byte = this.#used[cluster >> 3] ?? 0;
    const bit = 1 << (cluster & 7);
    if ((byte & bit) !== 0) fail("which is in use");
    this.#used[cluster >> 3] = byte | bit;
  }
}

/**
 * The first `sizeBytes` bytes of a chain.
 * @throws FormatError where the chain is shorter
 */
export function chainSource(source: ByteSource, chain: ChainPlace): ByteSource {
  const { runs, geometry, sizeBytes, what } = chain;
  const clusterBytes = clusterBytesOf(geometry);
  const starts: { at: number; offsetBytes: number; sizeBytes: number }[] = [];
  let total = 0;
  for (const { first, count } of runs) {
    starts.push({ at: total, offsetBytes: clusterOffsetBytes(geometry, first), sizeBytes: count * clusterBytes });
    total += count * clusterBytes;
  }
  if (sizeBytes > total) {
    throw new FormatError({ record: "FAT", field: what }, `expected clusters for ${sizeBytes} bytes, got ${total}`);
  }
  const parts = function* (offsetBytes: number, lengthBytes: number) {
    if (offsetBytes < 0 || lengthBytes < 0 || offsetBytes + lengthBytes > sizeBytes) {
      throw new FormatError({ record: "FAT", field: what, offsetBytes }, `expected at most ${sizeBytes} bytes`);
    }
    for (let index = findStart(starts, offsetBytes), at = offsetBytes; at < offsetBytes + lengthBytes; index++) {
      const run = starts[index]!;
      const taken = Math.min(run.at + run.sizeBytes - at, offsetBytes + lengthBytes - at);
      yield { offsetBytes: run.offsetBytes + at - run.at, sizeBytes: taken };
      at += taken;
    }
  };
  return {
    sizeBytes,
    read(offsetBytes, lengthBytes) {
      const pieces = [...parts(offsetBytes, lengthBytes)].map((part) => source.read(part.offsetBytes, part.sizeBytes));
      return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    },
  };
}

interface ChainPlace {
  runs: readonly ClusterRun[];
  geometry: Geometry;
  sizeBytes: number;
  what: string;
}

/** The index of the last run that starts at or before `offsetBytes`. */
function findStart(starts: readonly { at: number }[], offsetBytes: number): number {
  let low = 0;
  for (let high = starts.length; high - low > 1;) {
    const middle = (low + high) >> 1;
    if (starts[middle]!.at <= offsetBytes) low = middle;
    else high = middle;
  }
  return low;
}
