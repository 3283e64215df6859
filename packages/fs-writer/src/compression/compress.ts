import { pipeline, Readable, type Transform } from "node:stream";
import { constants, createGzip, createZstdCompress, gzipSync, zstdCompressSync, type ZstdOptions } from "node:zlib";
import { assert, CvmError } from "@cvm-build/bytes";

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
 * Compresses `chunks`, which are `sizeBytes` bytes in all and may be cut in any way. What is small is compressed in one
 * call, which takes a fifth less time; what is large goes through a stream, so that memory stays flat.
 */
export async function* compressChunks(
  chunks: Iterable<Buffer>,
  options: { compression: Compression; sizeBytes: number },
): AsyncGenerator<Buffer> {
  const { compression, sizeBytes } = options;
  if (compression.algorithm === "none") {
    yield* chunks;
  } else if (sizeBytes <= MAX_WHOLE_BYTES) {
    yield withUnixHeader(compressWhole(joined(chunks, sizeBytes), compression), compression);
  } else {
    const engine = createEngine(compression, sizeBytes);
    pipeline(Readable.from(inBlocks(chunks), { highWaterMark: 1 }), engine, () => {});
    let isFirst = true;
    for await (const chunk of engine as AsyncIterable<Buffer>) {
      yield isFirst ? withUnixHeader(chunk, compression) : chunk;
      isFirst = false;
    }
  }
}

type RealCompression = Exclude<Compression, { algorithm: "none" }>;

const MAX_WHOLE_BYTES = 4 << 20;
const BLOCK_BYTES = 1 << 20;
const CHUNK_BYTES = 1 << 18;

function compressWhole(bytes: Buffer, { algorithm, level }: RealCompression): Buffer {
  return algorithm === "zstd" ? zstdCompressSync(bytes, zstdOptions(level, bytes.length)) : gzipSync(bytes, { level });
}

function createEngine({ algorithm, level }: RealCompression, sizeBytes: number): Transform {
  if (algorithm === "gzip") return createGzip({ level, chunkSize: CHUNK_BYTES });
  return createZstdCompress(zstdOptions(level, sizeBytes));
}

/** Without extra threads: with them Node's zstd gives other bytes and may cut the output short. */
function zstdOptions(level: number, sizeBytes: number): ZstdOptions {
  return {
    chunkSize: CHUNK_BYTES,
    pledgedSrcSize: sizeBytes,
    params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_nbWorkers]: 0 },
  };
}

/** zlib writes the operating system it was built for. @see RFC 1952, 2.3.1, OS */
function withUnixHeader(start: Buffer, { algorithm }: RealCompression): Buffer {
  if (algorithm === "gzip") start[GZIP_OS_OFFSET] = GZIP_OS_UNIX;
  return start;
}

const GZIP_OS_OFFSET = 9;
const GZIP_OS_UNIX = 3;

function joined(chunks: Iterable<Buffer>, sizeBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(sizeBytes);
  let filledBytes = 0;
  for (const chunk of chunks) filledBytes += chunk.copy(bytes, filledBytes);
  assert(filledBytes === sizeBytes, `expected ${sizeBytes} bytes to compress, got ${filledBytes}`);
  return bytes;
}

/** The same bytes in blocks of 1 MiB, which are the caller's to keep: how the input was cut must not show in the result. */
export function* inBlocks(chunks: Iterable<Buffer>): Generator<Buffer> {
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
