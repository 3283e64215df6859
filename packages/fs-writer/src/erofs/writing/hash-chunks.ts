import { createHash, hash } from "node:crypto";
import type { Sha256Hex } from "@cvm-build/bytes";
import { isZero } from "../../zeros.ts";
import { PieceReader } from "./piece-reader.ts";
import { HOLE_DIGEST, type PackedPieces, unpackPieces } from "./piece.ts";

/** What a thread needs to tell the chunks of contents. */
export interface HashChunksTask {
  kind: "chunks";
  chunkBytes: number;
  /** Whole contents. */
  pieces: PackedPieces;
}

/**
 * The digests of the chunks of each content; `HOLE_DIGEST` for those that are all zeros.
 * @throws FormatError where a content is no longer what its digest says
 */
export function hashChunks({ chunkBytes, pieces }: HashChunksTask): Sha256Hex[][] {
  using reader = new PieceReader(pieces);
  let buffer = Buffer.alloc(0);
  return [...unpackPieces(pieces)].map((piece) => {
    const whole = createHash("sha256");
    const digests: Sha256Hex[] = [];
    const neededBytes = Math.min(chunkBytes, piece.sizeBytes);
    if (neededBytes > buffer.length) buffer = Buffer.allocUnsafeSlow(neededBytes);
    for (let fromBytes = 0; fromBytes < piece.sizeBytes; fromBytes += chunkBytes) {
      const chunk = buffer.subarray(0, Math.min(chunkBytes, piece.sizeBytes - fromBytes));
      reader.fill(chunk, piece, fromBytes);
      whole.update(chunk);
      digests.push(isZero(chunk) ? HOLE_DIGEST : (hash("sha256", chunk) as Sha256Hex));
    }
    if (whole.digest("hex") !== piece.sha256) throw reader.changed(piece);
    return digests;
  });
}
