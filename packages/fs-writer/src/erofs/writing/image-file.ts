import { closeSync, openSync } from "node:fs";
import { writeFully } from "@cvm-build/bytes";
import { isZero } from "../../zeros.ts";
import { EROFS_BLOCK_BYTES } from "../format.ts";

/** How much is gathered before it is written. Larger ones would leave the processor's cache. */
const BUFFER_BYTES = 1 << 20;
/** From how many blocks of zeros on they are left out, so that the file has a hole there. */
const MIN_HOLE_BLOCKS = 8;

/** A thread has one buffer for all that it writes: fresh memory costs more than what is put into it. */
let spareBuffer: Buffer | undefined;

/**
 * Writes stretches of an image, which is full of zeros before, in large pieces and without its blocks of zeros. What
 * follows what was written last is gathered with it.
 */
export class ImageFile implements Disposable {
  readonly #descriptor: number;
  readonly #buffer: Buffer;
  #startBytes = 0;
  #filledBytes = 0;

  /** @param path an image that exists */
  constructor(path: string) {
    this.#descriptor = openSync(path, "r+");
    this.#buffer = spareBuffer ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
    spareBuffer = undefined;
  }

  /** Goes on at `offsetBytes`. */
  seek(offsetBytes: number): void {
    if (offsetBytes === this.#startBytes + this.#filledBytes) return;
    this.flush();
    this.#startBytes = offsetBytes;
  }

  /**
   * Up to `sizeBytes` bytes of room for what comes next; all of them, unless they are more than the buffer holds. Counts
   * only with `advance`.
   */
  room(sizeBytes: number): Buffer {
    if (this.#filledBytes + sizeBytes > BUFFER_BYTES) this.flush();
    return this.#buffer.subarray(this.#filledBytes, Math.min(this.#filledBytes + sizeBytes, BUFFER_BYTES));
  }

  /** Takes what was put into the first `sizeBytes` bytes of `room`. */
  advance(sizeBytes: number): void {
    this.#filledBytes += sizeBytes;
  }

  /** Writes `bytes` next. */
  append(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.byteLength;) {
      const room = this.room(bytes.byteLength - at);
      room.set(bytes.subarray(at, at + room.length));
      this.advance(room.length);
      at += room.length;
    }
  }

  /** Fills the last block with zeros. */
  pad(): void {
    const sizeBytes = -(this.#startBytes + this.#filledBytes) & (EROFS_BLOCK_BYTES - 1);
    this.room(sizeBytes).fill(0, 0, sizeBytes);
    this.advance(sizeBytes);
  }

  /** Writes what is gathered. */
  flush(): void {
    const filled = this.#buffer.subarray(0, this.#filledBytes);
    for (const { start, end } of stretchesOf(filled)) {
      writeFully(this.#descriptor, filled.subarray(start, end), this.#startBytes + start);
    }
    this.#startBytes += this.#filledBytes;
    this.#filledBytes = 0;
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
    spareBuffer = this.#buffer;
  }
}

/** The stretches of `bytes` between holes. */
function* stretchesOf(bytes: Buffer): Generator<{ start: number; end: number }> {
  let start = 0;
  let zerosFrom = -1;
  for (let at = 0; at < bytes.length; at += EROFS_BLOCK_BYTES) {
    if (isZeroBlock(bytes, at)) {
      if (zerosFrom < 0) zerosFrom = at;
      continue;
    }
    if (zerosFrom >= 0 && at - zerosFrom >= MIN_HOLE_BLOCKS * EROFS_BLOCK_BYTES) {
      if (zerosFrom > start) yield { start, end: zerosFrom };
      start = at;
    }
    zerosFrom = -1;
  }
  const end =
    zerosFrom >= 0 && bytes.length - zerosFrom >= MIN_HOLE_BLOCKS * EROFS_BLOCK_BYTES ? zerosFrom : bytes.length;
  if (end > start) yield { start, end };
}

function isZeroBlock(bytes: Buffer, offset: number): boolean {
  if (bytes[offset] !== 0) return false;
  const end = Math.min(offset + EROFS_BLOCK_BYTES, bytes.length);
  return isZero(bytes.subarray(offset, end));
}
