import { FormatError } from "@cvm-build/bytes";
import { EROFS_COMPRESSION_ALGORITHMS } from "../format.ts";
import { type ClusterDecoding, decodeLz4 } from "./lz4.ts";
import { decodeMicroLzma } from "./micro-lzma.ts";
import { decodeDeflate, decodeZstd } from "./zlib-clusters.ts";

/** How a physical cluster can be compressed. */
export type ErofsAlgorithm = keyof typeof EROFS_COMPRESSION_ALGORITHMS;

const DECODERS = {
  lz4: decodeLz4,
  lzma: decodeMicroLzma,
  deflate: decodeDeflate,
  zstd: decodeZstd,
} satisfies Record<ErofsAlgorithm, (input: Buffer, decoding: ClusterDecoding) => Buffer>;

/**
 * Decodes a physical cluster.
 * @param options.zerosBytes how many zeros there may be before what is compressed
 * @returns what is wanted, and where that cannot be told from the rest, the rest too
 * @throws FormatError where it is damaged, or does not hold what is wanted
 */
export function decodeCluster(
  cluster: Buffer,
  options: ClusterDecoding & { algorithm: ErofsAlgorithm; zerosBytes: number },
): Buffer {
  const start = leadingZeros(cluster, options.zerosBytes);
  if (start === cluster.length) throw new FormatError({ record: options.algorithm }, "expected data, got only zeros");
  return DECODERS[options.algorithm](cluster.subarray(start), options);
}

function leadingZeros(cluster: Buffer, most: number): number {
  const end = Math.min(most, cluster.length);
  let at = 0;
  while (at < end && cluster[at] === 0) at++;
  return at;
}
