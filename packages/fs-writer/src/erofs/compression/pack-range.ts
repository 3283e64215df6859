import { alignUp } from "@cvm-build/bytes";
import { EROFS_BLOCK_BYTES } from "../format.ts";
import type { ClusterEncoder } from "./cluster-encoder.ts";
import type { CompressedExtent } from "./cluster-map.ts";

/** Where a range lies, and where its blocks go. */
export interface PackRangeOptions {
  /** The range in the encoder's input. */
  startBytes: number;
  endBytes: number;
  /** Offset of the range in its file. */
  logicalOffsetBytes: number;
  clusterBytes: number;
  /** Takes the blocks, of which there are no more than of the range. */
  output: Buffer;
}

/**
 * Cuts a range into extents that are each compressed into as large a cluster as there may be. What does not shrink stays
 * as it is, a block a cluster. Compressed bytes end with their cluster, with zeros before them.
 */
export function packRange(encoder: ClusterEncoder, options: PackRangeOptions): CompressedExtent[] {
  const { startBytes, endBytes, clusterBytes, logicalOffsetBytes } = options;
  const packer = new Packer(encoder, options);
  const extents: CompressedExtent[] = [];
  let size: number;
  for (let at = startBytes; at < endBytes; at += size) {
    const extent = packer.next({ startBytes: at, endBytes, maxBytes: clusterBytes });
    size = extent.logicalSizeBytes;
    const last = extents.at(-1);
    if (!extent.isCompressed && last?.isCompressed === false) {
      last.logicalSizeBytes += size;
      last.physicalBlocks += extent.physicalBlocks;
    } else {
      extents.push({ logicalOffsetBytes: logicalOffsetBytes + at - startBytes, ...extent });
    }
  }
  return extents;
}

type Packed = Omit<CompressedExtent, "logicalOffsetBytes">;

class Packer {
  readonly #encoder: ClusterEncoder;
  readonly #output: Buffer;
  #out = 0;

  constructor(encoder: ClusterEncoder, { output }: Pick<PackRangeOptions, "output">) {
    this.#encoder = encoder;
    this.#output = output;
  }

  next(rest: { startBytes: number; endBytes: number; maxBytes: number }): Packed {
    const leftBytes = rest.endBytes - rest.startBytes;
    if (leftBytes <= EROFS_BLOCK_BYTES) return this.#store(rest.startBytes, leftBytes);
    const { consumedBytes, bytes } = this.#encoder.encode(rest);
    const occupiedBytes = alignUp(bytes.length, EROFS_BLOCK_BYTES);
    if (occupiedBytes >= consumedBytes) {
      const wholeBytes = consumedBytes - (consumedBytes % EROFS_BLOCK_BYTES);
      return this.#store(rest.startBytes, Math.max(wholeBytes, EROFS_BLOCK_BYTES));
    }
    const paddingBytes = occupiedBytes - bytes.length;
    this.#output.fill(0, this.#out, this.#out + paddingBytes);
    this.#output.set(bytes, this.#out + paddingBytes);
    this.#out += occupiedBytes;
    return {
      logicalSizeBytes: consumedBytes,
      physicalBlocks: occupiedBytes / EROFS_BLOCK_BYTES,
      isCompressed: true,
    };
  }

  #store(startBytes: number, sizeBytes: number): Packed {
    const occupiedBytes = alignUp(sizeBytes, EROFS_BLOCK_BYTES);
    this.#encoder.input.copy(this.#output, this.#out, startBytes, startBytes + sizeBytes);
    this.#output.fill(0, this.#out + sizeBytes, this.#out + occupiedBytes);
    this.#out += occupiedBytes;
    return { logicalSizeBytes: sizeBytes, physicalBlocks: occupiedBytes / EROFS_BLOCK_BYTES, isCompressed: false };
  }
}
