import { constants, zstdCompressSync } from "node:zlib";
import { alignUp } from "@cvm-build/bytes";
import { EROFS_BLOCK_BYTES } from "../format.ts";
import type { ClusterEncoder, EncodedCluster } from "./cluster-encoder.ts";
import { zstdWindowLog } from "./settings.ts";

/** What the first cluster of an input is expected to shrink to. */
const FIRST_RATIO = 3;
/** How many lengths of input are tried for one cluster, unless none has fitted. */
const MAX_ATTEMPTS = 7;
/** A cluster is good when no more than this part of it is left over in its last block. */
const MAX_WASTE = 1 / 128;
/** Below this part of the largest cluster, more input is tried. */
const MIN_FILL = 3 / 4;
/** A step of input is this much shorter than foretold, so that the frame does not become too long by a little. */
const STEP_MARGIN = 1 / 16;
const MARGIN_BYTES = 12;

/**
 * An encoder of zstd frames. zstd cannot be told how large a frame may become: lengths of input are tried, each guessed
 * from what the one before became.
 */
export function createZstdEncoder(options: {
  inputBytes: number;
  clusterBytes: number;
  level: number;
}): ClusterEncoder {
  const input = Buffer.allocUnsafeSlow(options.inputBytes);
  const params = {
    [constants.ZSTD_c_compressionLevel]: options.level,
    [constants.ZSTD_c_windowLog]: zstdWindowLog(options.clusterBytes),
    [constants.ZSTD_c_nbWorkers]: 0,
  };
  let ratio = FIRST_RATIO;
  return {
    input,
    begin() {
      ratio = FIRST_RATIO;
    },
    encode({ startBytes, endBytes, maxBytes }) {
      const compress = (lengthBytes: number): Buffer =>
        zstdCompressSync(input.subarray(startBytes, startBytes + lengthBytes), {
          params,
          pledgedSrcSize: lengthBytes,
          chunkSize: maxBytes + EROFS_BLOCK_BYTES,
        });
      const leftBytes = endBytes - startBytes;
      const cluster = fillCluster({ leftBytes, maxBytes, guessBytes: Math.floor(maxBytes * ratio), compress });
      ratio = cluster.consumedBytes / cluster.bytes.length;
      return cluster;
    },
  };
}

interface Search {
  leftBytes: number;
  maxBytes: number;
  guessBytes: number;
  compress(lengthBytes: number): Buffer;
}

/** Finds a length of input whose frame has no more than `maxBytes` and leaves little of its last block empty. */
function fillCluster({ leftBytes, maxBytes, guessBytes, compress }: Search): EncodedCluster {
  let best: EncodedCluster | undefined;
  let lengthBytes = Math.min(guessBytes, leftBytes);
  // The longest input that is known to fit, and the shortest that is known not to.
  let fits = NOTHING;
  let tooLong: EncodedCluster | undefined;
  for (let attempt = 1; ; attempt++) {
    const cluster: EncodedCluster = { consumedBytes: lengthBytes, bytes: compress(lengthBytes) };
    if (cluster.bytes.length > maxBytes) {
      // Input that does not shrink is cut where it fills the cluster, for the caller to store.
      if (lengthBytes <= maxBytes) return best ?? cluster;
      tooLong = cluster;
    } else {
      if (lengthBytes === leftBytes) return cluster;
      fits = cluster;
      if (!best || blockRatio(cluster) > blockRatio(best)) best = cluster;
    }
    if (best && (isFull(best, maxBytes) || attempt >= MAX_ATTEMPTS)) return best;
    const endBytes = tooLong?.consumedBytes ?? leftBytes + 1;
    lengthBytes = Math.min(nextGuess(fits, tooLong, maxBytes), leftBytes);
    if (lengthBytes <= fits.consumedBytes || lengthBytes >= endBytes) {
      lengthBytes = (fits.consumedBytes + endBytes) >>> 1;
    }
    if (best && lengthBytes === fits.consumedBytes) return best;
  }
}

const NOTHING: EncodedCluster = { consumedBytes: 0, bytes: new Uint8Array(0) };

function blockRatio({ consumedBytes, bytes }: EncodedCluster): number {
  return consumedBytes / alignUp(bytes.length, EROFS_BLOCK_BYTES);
}

function isFull({ bytes: { length } }: EncodedCluster, maxBytes: number): boolean {
  return length >= maxBytes * MIN_FILL && alignUp(length, EROFS_BLOCK_BYTES) - length <= length * MAX_WASTE;
}

/** How much input would fill the last block, or the cluster where it is far from full, if frames grew evenly. */
function nextGuess(fits: EncodedCluster, tooLong: EncodedCluster | undefined, maxBytes: number): number {
  const { length } = fits.bytes;
  const missingBytes = (length >= maxBytes * MIN_FILL ? alignUp(length, EROFS_BLOCK_BYTES) : maxBytes) - length;
  const [from, to] = tooLong ? [fits, tooLong] : [NOTHING, fits];
  const inputOfByte = (to.consumedBytes - from.consumedBytes) / (to.bytes.length - from.bytes.length);
  return fits.consumedBytes + Math.floor((missingBytes * (1 - STEP_MARGIN) - MARGIN_BYTES) * inputOfByte);
}
