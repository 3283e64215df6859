import { constants, zstdCompressSync } from "node:zlib";
import { alignUp } from "@cvm-build/bytes";
import { EROFS_BLOCK_BYTES } from "../format.ts";
import type { ClusterEncoder, EncodedCluster } from "./cluster-encoder.ts";
import { zstdWindowLog } from "./settings.ts";

/** What the first cluster of an input is expected to shrink to. */
const FIRST_RATIO = 3;
/** How many lengths of input are tried for one cluster, unless none has fitted. */
const MAX_ATTEMPTS = 5;
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
  let lengthBytes = guessBytes;
  for (let attempt = 1; ; attempt++) {
    lengthBytes = Math.max(1, Math.min(lengthBytes, leftBytes));
    const bytes = compress(lengthBytes);
    const occupiedBytes = alignUp(bytes.length, EROFS_BLOCK_BYTES);
    const fits = bytes.length <= maxBytes;
    if (
      fits &&
      (!best || lengthBytes / occupiedBytes > best.consumedBytes / alignUp(best.bytes.length, EROFS_BLOCK_BYTES))
    ) {
      best = { consumedBytes: lengthBytes, bytes };
    }
    if (fits && lengthBytes === leftBytes) return { consumedBytes: lengthBytes, bytes };
    // Input that does not shrink is cut where it fills the cluster, for the caller to store.
    if (!fits && lengthBytes <= maxBytes) return best ?? { consumedBytes: lengthBytes, bytes };
    const isGood =
      fits && occupiedBytes - bytes.length <= bytes.length * MAX_WASTE && bytes.length >= maxBytes * MIN_FILL;
    if (best && (isGood || attempt >= MAX_ATTEMPTS)) return best;
    const targetBytes = fits && bytes.length >= maxBytes * MIN_FILL ? occupiedBytes : maxBytes;
    const missingBytes = targetBytes - bytes.length;
    const marginBytes = MARGIN_BYTES + Math.abs(missingBytes) * STEP_MARGIN;
    lengthBytes += Math.floor(((missingBytes - marginBytes) * lengthBytes) / bytes.length);
  }
}
