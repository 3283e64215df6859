import { writeFully } from "@cvm-build/bytes";

/** What is left out of files where it is zero: a multiple of what file systems can leave out. */
const HOLE_BYTES = 1 << 16;
const ZEROS = Buffer.alloc(HOLE_BYTES);

/** Says whether all of `bytes` is zero. */
export function isZero(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.byteLength; at += HOLE_BYTES) {
    const part = bytes.subarray(at, at + HOLE_BYTES);
    const zeros = part.byteLength === HOLE_BYTES ? ZEROS : ZEROS.subarray(0, part.byteLength);
    if (Buffer.compare(part, zeros) !== 0) return false;
  }
  return true;
}

/**
 * Writes bytes into a file that has none there yet, but for pieces of zeros, which are left out. Who ends a file with
 * them gives it its size.
 */
export function writeSparsely(descriptor: number, bytes: Buffer, offsetBytes: number): void {
  for (let at = 0; at < bytes.length; at += HOLE_BYTES) {
    const part = bytes.subarray(at, at + HOLE_BYTES);
    if (!isZero(part)) writeFully(descriptor, part, offsetBytes + at);
  }
}
