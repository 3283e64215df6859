import type { Sha256Hex } from "@cvm-build/bytes";
import type { Content } from "../../tree.ts";

/** Stands for the digest of a chunk that is all zeros. */
export const HOLE_DIGEST = "0".repeat(64) as Sha256Hex;

/** A stretch of a file's content and where it goes. Plain data. */
export interface Piece {
  content: Content;
  /** The stretch of `content`. */
  fromBytes: number;
  sizeBytes: number;
  /** SHA-256 of the stretch. */
  sha256: Sha256Hex;
  /** Where in the image it goes, but for its tail. */
  dataOffsetBytes: number;
  /** How much of its end goes into the metadata, and where there. */
  tailSizeBytes: number;
  tailOffsetBytes: number;
}

/** A whole content as a piece that has no place yet. */
export function wholeContent(content: Content, tailSizeBytes = 0): Piece {
  const { sizeBytes, sha256 } = content;
  return { content, fromBytes: 0, sizeBytes, sha256, dataOffsetBytes: 0, tailSizeBytes, tailOffsetBytes: 0 };
}

const DIGEST_DIGITS = 64;
const COLUMNS = 6;

/** Pieces as a few buffers, which pass between threads at once and not object by object. */
export interface PackedPieces {
  /** Files that pieces come from; the first stands for `bytes`. */
  paths: string[];
  /** Contents that were in memory. */
  bytes: Uint8Array;
  numbers: Float64Array;
  /** All digests as one text. */
  digests: string;
}

/** A piece without its `Content`: where its bytes are, as `PackedPieces` tells it. */
export interface PieceView {
  pathIndex: number;
  offsetBytes: number;
  sizeBytes: number;
  sha256: string;
  dataOffsetBytes: number;
  tailSizeBytes: number;
  tailOffsetBytes: number;
}

/** Packs pieces for another thread. */
export function packPieces(pieces: readonly Piece[]): PackedPieces {
  const paths = [""];
  const pathIndexes = new Map<string, number>();
  const inMemory: Uint8Array[] = [];
  let inMemoryBytes = 0;
  const numbers = new Float64Array(pieces.length * COLUMNS);
  const indexOf = (path: string): number => {
    let index = pathIndexes.get(path);
    if (index === undefined) pathIndexes.set(path, (index = paths.push(path) - 1));
    return index;
  };
  const digests: string[] = [];
  let at = 0;
  for (const { content, fromBytes, sizeBytes, sha256, ...places } of pieces) {
    const isInMemory = "bytes" in content;
    numbers[at++] = isInMemory ? 0 : indexOf(content.file.path);
    numbers[at++] = isInMemory ? inMemoryBytes : content.file.offsetBytes + fromBytes;
    numbers[at++] = sizeBytes;
    numbers[at++] = places.dataOffsetBytes;
    numbers[at++] = places.tailSizeBytes;
    numbers[at++] = places.tailOffsetBytes;
    digests.push(sha256);
    if (!isInMemory) continue;
    inMemory.push(content.bytes.subarray(fromBytes, fromBytes + sizeBytes));
    inMemoryBytes += sizeBytes;
  }
  return { paths, bytes: joinUnpooled(inMemory, inMemoryBytes), numbers, digests: digests.join("") };
}

/** The pieces that were packed, in order. */
export function* unpackPieces({ numbers, digests }: PackedPieces): Generator<PieceView> {
  for (let index = 0; index * COLUMNS < numbers.length; index++) {
    const at = index * COLUMNS;
    const number = (column: number): number => numbers[at + column] as number;
    yield {
      pathIndex: number(0),
      offsetBytes: number(1),
      sizeBytes: number(2),
      dataOffsetBytes: number(3),
      tailSizeBytes: number(4),
      tailOffsetBytes: number(5),
      sha256: digests.slice(index * DIGEST_DIGITS, (index + 1) * DIGEST_DIGITS),
    };
  }
}

/** The buffers of packed pieces, to be handed over rather than copied. */
export function transferOf({ bytes, numbers }: PackedPieces): ArrayBuffer[] {
  return [bytes, numbers].map(({ buffer }) => buffer as ArrayBuffer);
}

/** As `Buffer.concat`, in memory that nothing else is in, so that it can be handed over. */
function joinUnpooled(chunks: readonly Uint8Array[], sizeBytes: number): Buffer {
  const joined = Buffer.allocUnsafeSlow(sizeBytes);
  let at = 0;
  for (const chunk of chunks) {
    joined.set(chunk, at);
    at += chunk.byteLength;
  }
  return joined;
}
