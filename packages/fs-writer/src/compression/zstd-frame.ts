import { type ByteSource, FormatError } from "@cvm-build/bytes";
import { COMPRESSION_MAGICS } from "./format.ts";

/** Sizes of the frame header's optional fields, by the bits of its descriptor. */
const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;
const BLOCK_HEADER_BYTES = 3;
const RLE_BLOCK = 1;
const RESERVED_BLOCK = 3;
const SKIPPABLE_HEADER_BYTES = 8;

/**
 * How long the zstd frame at `offsetBytes` is, found by walking its block headers: nothing is decompressed. Node's own
 * decompressor stops after the first frame without saying how far it came.
 * @throws FormatError where there is no frame, or it ends early
 * @see RFC 8878, 3.1
 */
export function zstdFrameSizeBytes(source: ByteSource, offsetBytes: number): number {
  const read = (at: number, lengthBytes: number): Buffer => {
    const leftBytes = source.sizeBytes - at;
    if (lengthBytes <= leftBytes) return source.read(at, lengthBytes);
    throw new FormatError({ record: "zstd", offsetBytes: at }, `expected ${lengthBytes} bytes, got ${leftBytes}`);
  };
  const magic = read(offsetBytes, 4);
  if (isSkippable(magic)) {
    const sizeBytes = SKIPPABLE_HEADER_BYTES + read(offsetBytes + 4, 4).readUInt32LE(0);
    checkEnd(source, offsetBytes, sizeBytes);
    return sizeBytes;
  }
  if (!magic.equals(COMPRESSION_MAGICS.zstd))
    throw new FormatError({ record: "zstd", offsetBytes }, "expected a frame");
  const descriptor = read(offsetBytes + 4, 1)[0] ?? 0;
  let at = offsetBytes + 5 + headerFieldBytes(descriptor);
  for (let isLast = false; !isLast;) {
    const header = read(at, BLOCK_HEADER_BYTES).readUIntLE(0, BLOCK_HEADER_BYTES);
    const type = (header >> 1) & 3;
    if (type === RESERVED_BLOCK)
      throw new FormatError({ record: "zstd", offsetBytes: at }, "expected a known block type");
    isLast = (header & 1) === 1;
    at += BLOCK_HEADER_BYTES + (type === RLE_BLOCK ? 1 : header >> 3);
  }
  const hasChecksum = (descriptor & 4) !== 0;
  const sizeBytes = at + (hasChecksum ? 4 : 0) - offsetBytes;
  checkEnd(source, offsetBytes, sizeBytes);
  return sizeBytes;
}

/** Frames with a magic of 0x184D2A5? hold no data. */
function isSkippable(magic: Buffer): boolean {
  return magic.readUInt32LE(0) >>> 4 === 0x184d2a5;
}

function headerFieldBytes(descriptor: number): number {
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const contentSize = CONTENT_SIZE_BYTES[(descriptor >> 6) as 0 | 1 | 2 | 3];
  return (
    (isSingleSegment ? 0 : 1) +
    DICTIONARY_ID_BYTES[(descriptor & 3) as 0 | 1 | 2 | 3] +
    (contentSize === 0 && isSingleSegment ? 1 : contentSize)
  );
}

function checkEnd(source: ByteSource, offsetBytes: number, sizeBytes: number): void {
  const leftBytes = source.sizeBytes - offsetBytes;
  if (sizeBytes <= leftBytes) return;
  throw new FormatError({ record: "zstd", offsetBytes }, `expected a frame of ${sizeBytes} bytes, got ${leftBytes}`);
}
