import { constants, inflateRawSync, zstdDecompressSync } from "node:zlib";
import { FormatError } from "@cvm-build/bytes";
import { EROFS_PCLUSTER_MAX_CONTENT_BYTES } from "../format.ts";
import type { ClusterDecoding } from "./lz4.ts";

/** Node's smallest buffer for output. */
const MIN_CHUNK_BYTES = 64;
/** Windows are as large as a cluster's content, at most. */
const MAX_WINDOW_LOG = Math.ceil(Math.log2(EROFS_PCLUSTER_MAX_CONTENT_BYTES));

/**
 * Decodes a raw deflate stream.
 * @returns more than is wanted where the stream holds more and may
 * @throws FormatError where it is damaged, or does not hold exactly what is wanted
 * @see RFC 1951
 */
export function decodeDeflate(input: Buffer, decoding: ClusterDecoding): Buffer {
  return decode("deflate", decoding, (limits) => inflateRawSync(input, limits));
}

/**
 * Decodes a Zstandard frame.
 * @returns more than is wanted where the frame holds more and may
 * @throws FormatError as `decodeDeflate` does
 * @see RFC 8878
 */
export function decodeZstd(input: Buffer, decoding: ClusterDecoding): Buffer {
  const params = { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG };
  return decode("zstd", decoding, (limits) => zstdDecompressSync(input, { ...limits, params }));
}

/** Neither decoder can be told to stop early, so that what is partial is decoded whole. */
function decode(
  record: string,
  { sizeBytes, isPartial }: ClusterDecoding,
  run: (limits: { maxOutputLength: number; chunkSize: number }) => Buffer,
): Buffer {
  let output: Buffer;
  try {
    output = run({
      maxOutputLength: isPartial ? EROFS_PCLUSTER_MAX_CONTENT_BYTES : sizeBytes,
      chunkSize: Math.max(sizeBytes, MIN_CHUNK_BYTES),
    });
  } catch (cause) {
    throw new FormatError({ record }, cause instanceof Error ? cause.message : String(cause), { cause });
  }
  if (isPartial ? output.length >= sizeBytes : output.length === sizeBytes) return output;
  throw new FormatError({ record }, `expected ${sizeBytes} bytes, got ${output.length}`);
}
