import { pipeline, Readable, type Transform } from "node:stream";
import { constants, createGzip, createZstdCompress } from "node:zlib";
import { CvmError } from "@cvm-build/bytes";

/** How segments are compressed. Levels: zstd 1..22, gzip 1..9; `none` has none. */
export type Compression = { algorithm: "zstd" | "gzip"; level: number } | { algorithm: "none" };

/** Highest level of each algorithm. */
const MAX_LEVEL = { zstd: 22, gzip: 9 } as const;

/**
 * Checks that the compressor has that level.
 * @throws CvmError `compression`
 */
export function checkCompression(compression: Compression): void {
  if (compression.algorithm === "none") return;
  const { algorithm, level } = compression;
  const max = MAX_LEVEL[algorithm];
  if (Number.isInteger(level) && level >= 1 && level <= max) return;
  throw new CvmError(
    "compression",
    `cannot compress with ${algorithm}: expected a level from 1 to ${max}, got ${level}`,
  );
}

/**
 * What determines the compressed bytes beside the input: the library and its version. Both compressors give the same
 * bytes for the same version, level and known size; zlib's may also differ between processor architectures.
 */
export function compressorIdentity({ algorithm }: Compression): string {
  if (algorithm === "none") return "none";
  return algorithm === "zstd" ? `zstd ${process.versions.zstd}` : `zlib ${process.versions.zlib}`;
}

/**
 * Compresses `chunks`, which are `sizeBytes` bytes in all, in memory that does not grow with them. How they are cut
 * must not depend on anything but themselves, since it may show in the result.
 */
export async function* compressChunks(
  chunks: Iterable<Buffer>,
  options: { compression: Compression; sizeBytes: number },
): AsyncGenerator<Buffer> {
  const { compression, sizeBytes } = options;
  if (compression.algorithm === "none") {
    yield* chunks;
    return;
  }
  const engine =
    compression.algorithm === "zstd" ? createZstd(compression.level, sizeBytes) : createGz(compression.level);
  pipeline(Readable.from(chunks, { highWaterMark: 1 }), engine, () => {});
  let isFirst = true;
  for await (const chunk of engine as AsyncIterable<Buffer>) {
    if (isFirst && compression.algorithm === "gzip") chunk[GZIP_OS_OFFSET] = GZIP_OS_UNIX;
    isFirst = false;
    yield chunk;
  }
}

/** zlib writes the operating system it was built for. @see RFC 1952, 2.3.1, OS */
const GZIP_OS_OFFSET = 9;
const GZIP_OS_UNIX = 3;
const CHUNK_BYTES = 1 << 18;

/** Without extra threads: with them Node's zstd gives other bytes and may cut the output short. */
function createZstd(level: number, sizeBytes: number): Transform {
  return createZstdCompress({
    chunkSize: CHUNK_BYTES,
    pledgedSrcSize: sizeBytes,
    params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_nbWorkers]: 0 },
  });
}

function createGz(level: number): Transform {
  return createGzip({ level, chunkSize: CHUNK_BYTES });
}
