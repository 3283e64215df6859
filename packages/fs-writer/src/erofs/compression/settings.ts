import { CvmError } from "@cvm-build/bytes";
import {
  EROFS_BLOCK_BYTES,
  EROFS_COMPRESSION_ALGORITHMS,
  EROFS_INCOMPAT,
  EROFS_PCLUSTER_MAX_BYTES,
  ErofsLz4Config,
  ErofsZstdConfig,
} from "../format.ts";

/** How file contents are compressed. `lz4hc` takes longer and is read as `lz4` is. */
export interface ErofsCompression {
  algorithm: "lz4" | "lz4hc" | "zstd";
  /** `lz4hc` 1..12, `zstd` 1..22; the algorithm's own default where it is absent. `lz4` has none. */
  level?: number;
  /** The largest physical cluster: a power of two from 4 KiB to 1 MiB, 64 KiB where it is absent. */
  clusterBytes?: number;
}

/** A compression with every choice made. */
export type ErofsCompressionSettings = Required<ErofsCompression>;

/** Lowest, default and highest level of each algorithm. @see lz4hc.h, zstd.h */
const LEVELS = {
  lz4: { min: 1, usual: 1, max: 1 },
  lz4hc: { min: 1, usual: 9, max: 12 },
  zstd: { min: 1, usual: 3, max: 22 },
} as const satisfies Record<ErofsCompression["algorithm"], object>;

const DEFAULT_CLUSTER_BYTES = 64 << 10;
/** How far back LZ4 can refer. */
const LZ4_MAX_DISTANCE = 0xffff;
/** A zstd window is this many physical clusters, but no more than the kernel takes. */
const WINDOW_CLUSTERS = 8;
const MAX_WINDOW_BYTES = EROFS_PCLUSTER_MAX_BYTES;
/** The smallest window that `ErofsZstdConfig` can name. */
const MIN_WINDOW_LOG = 10;

/**
 * Fills in what is absent and checks the rest.
 * @throws CvmError `compression`
 */
export function erofsCompressionSettings(compression: ErofsCompression): ErofsCompressionSettings {
  const { algorithm, clusterBytes = DEFAULT_CLUSTER_BYTES } = compression;
  const { min, usual, max } = LEVELS[algorithm];
  const level = compression.level ?? usual;
  const refuse = (expected: string, got: number): never => {
    throw new CvmError("compression", `cannot compress with ${algorithm}: expected ${expected}, got ${got}`);
  };
  if (!Number.isInteger(level) || level < min || level > max) refuse(`a level from ${min} to ${max}`, level);
  const isPowerOfTwo = Number.isInteger(Math.log2(clusterBytes));
  if (!isPowerOfTwo || clusterBytes < EROFS_BLOCK_BYTES || clusterBytes > EROFS_PCLUSTER_MAX_BYTES) {
    refuse(`a cluster size that is a power of two from 4096 to ${EROFS_PCLUSTER_MAX_BYTES}`, clusterBytes);
  }
  return { algorithm, level, clusterBytes };
}

/** The number under which map headers and the superblock know the algorithm. */
export function algorithmNumber(algorithm: ErofsCompression["algorithm"]): number {
  return EROFS_COMPRESSION_ALGORITHMS[algorithm === "lz4hc" ? "lz4" : algorithm];
}

/**
 * The heap of a thread that compresses. Each call of zstd leaves buffers behind that go with the next full collection:
 * with a heap as large as V8 likes it, that would be 50 MB a thread more.
 */
export const COMPRESSOR_HEAP_MB = 32;

/** The power of two of the window that zstd frames may need, as the superblock promises it. */
export function zstdWindowLog(clusterBytes: number): number {
  return Math.log2(Math.min(clusterBytes * WINDOW_CLUSTERS, MAX_WINDOW_BYTES));
}

/** What a superblock says of compression. */
export interface CompressionRecords {
  /** Bits of `EROFS_INCOMPAT`. */
  featureIncompat: number;
  /** `comprAlgsOrLz4MaxDistance`. */
  algorithms: number;
  /** What follows the superblock with its slots, at a multiple of 4 bytes. */
  configurations: Buffer;
}

/**
 * What the superblock of an image holds whose contents `compressContents` made.
 * @see Linux, fs/erofs/super.c, z_erofs_parse_cfgs
 */
export function compressionRecords({ algorithm, clusterBytes }: ErofsCompressionSettings): CompressionRecords {
  const configuration =
    algorithm === "zstd"
      ? ErofsZstdConfig.encode({
          format: 0,
          windowLog: zstdWindowLog(clusterBytes) - MIN_WINDOW_LOG,
          reserved: Buffer.alloc(4),
        })
      : ErofsLz4Config.encode({
          maxDistance: LZ4_MAX_DISTANCE,
          maxPclusterBlocks: clusterBytes / EROFS_BLOCK_BYTES,
          reserved: Buffer.alloc(10),
        });
  const size = Buffer.alloc(2);
  size.writeUInt16LE(configuration.length);
  return {
    featureIncompat: EROFS_INCOMPAT.zeroPadding | EROFS_INCOMPAT.comprCfgs | EROFS_INCOMPAT.bigPcluster,
    algorithms: 1 << algorithmNumber(algorithm),
    configurations: Buffer.concat([size, configuration]),
  };
}
