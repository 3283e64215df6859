import { borrowedChunksOf, type ByteSource } from "@cvm-build/bytes";
import { isZero } from "../zeros.ts";

/** A stretch that is not all zeros. */
export interface Extent {
  offsetBytes: number;
  sizeBytes: number;
}

/** Size of the pieces that zeros are looked for in; chunks of sources are a multiple. */
const PIECE_BYTES = 1 << 16;

/** What a disk holds beside zeros, in pieces of 64 KiB that are joined where they touch; the disk's last may be shorter. */
export function dataExtents(disk: ByteSource): Extent[] {
  const extents: Extent[] = [];
  let offsetBytes = 0;
  for (const chunk of borrowedChunksOf(disk)) {
    for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
      const piece = chunk.subarray(at, at + PIECE_BYTES);
      const last = extents.at(-1);
      if (isZero(piece)) continue;
      if (last && last.offsetBytes + last.sizeBytes === offsetBytes + at) last.sizeBytes += piece.length;
      else extents.push({ offsetBytes: offsetBytes + at, sizeBytes: piece.length });
    }
    offsetBytes += chunk.length;
  }
  return extents;
}
