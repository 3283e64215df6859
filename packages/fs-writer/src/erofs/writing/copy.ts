import { createHash, hash } from "node:crypto";
import { ImageFile } from "./image-file.ts";
import { PieceReader } from "./piece-reader.ts";
import { type PackedPieces, type PieceView, unpackPieces } from "./piece.ts";

/** What a thread needs to write a part of an image: metadata, and the pieces of files whose inodes are in it. */
export interface CopyTask {
  kind: "copy";
  output: string;
  /** Complete but for tails. */
  metadata: Uint8Array;
  metadataOffsetBytes: number;
  pieces: PackedPieces;
}

/**
 * Copies pieces into an image and their tails into the metadata, which is written last.
 * @throws FormatError where a content is no longer what its digest says
 */
export function copyPieces({ output, metadata, metadataOffsetBytes, pieces }: CopyTask): void {
  const tails = Buffer.from(metadata.buffer, metadata.byteOffset, metadata.byteLength);
  using image = new ImageFile(output);
  using reader = new PieceReader(pieces);
  for (const piece of unpackPieces(pieces)) {
    const dataBytes = piece.sizeBytes - piece.tailSizeBytes;
    if (dataBytes > 0) image.seek(piece.dataOffsetBytes);
    const room = image.room(piece.sizeBytes);
    if (room.length === piece.sizeBytes) copyAtOnce(piece, room, { image, reader, tails });
    else copyInParts(piece, { image, reader, tails });
    if (dataBytes > 0) image.pad();
  }
  image.flush();
  if (tails.length === 0) return;
  image.seek(metadataOffsetBytes);
  image.append(tails);
  image.flush();
}

interface CopyPlaces {
  image: ImageFile;
  reader: PieceReader;
  tails: Buffer;
}

/** The tail is read where the next piece will be, so that a file is read and hashed in one go. */
function copyAtOnce(piece: PieceView, bytes: Buffer, { image, reader, tails }: CopyPlaces): void {
  reader.fill(bytes, piece, 0);
  if (hash("sha256", bytes) !== piece.sha256) throw reader.changed(piece);
  const dataBytes = piece.sizeBytes - piece.tailSizeBytes;
  if (piece.tailSizeBytes > 0) bytes.copy(tails, piece.tailOffsetBytes, dataBytes);
  image.advance(dataBytes);
}

function copyInParts(piece: PieceView, { image, reader, tails }: CopyPlaces): void {
  const running = createHash("sha256");
  const dataBytes = piece.sizeBytes - piece.tailSizeBytes;
  for (let done = 0; done < dataBytes;) {
    const room = image.room(dataBytes - done);
    reader.fill(room, piece, done);
    running.update(room);
    image.advance(room.length);
    done += room.length;
  }
  const tail = tails.subarray(piece.tailOffsetBytes, piece.tailOffsetBytes + piece.tailSizeBytes);
  reader.fill(tail, piece, dataBytes);
  if (running.update(tail).digest("hex") !== piece.sha256) throw reader.changed(piece);
}
