import { createHash } from "node:crypto";
import { closeSync, ftruncateSync, openSync } from "node:fs";
import { assert, finishSha256, type Sha256Hex, writeFully } from "@cvm-build/bytes";

/** What is left out where it is zero: a multiple of what file systems can leave out. */
const HOLE_BYTES = 1 << 16;
const ZEROS = Buffer.alloc(HOLE_BYTES);

/** A file that was written. */
export interface WrittenFile {
  sizeBytes: number;
  sha256: Sha256Hex;
}

/** Says whether all bytes are zero. */
export function isZero(bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at += HOLE_BYTES) {
    const part = bytes.subarray(at, at + HOLE_BYTES);
    if (!part.equals(part.length === HOLE_BYTES ? ZEROS : ZEROS.subarray(0, part.length))) return false;
  }
  return true;
}

/** Writes a file from its start to its end, hashes it on the way, and leaves zeros out as holes. */
export class SparseWriter implements Disposable {
  readonly #file: number;
  readonly #hash = createHash("sha256");
  #offsetBytes = 0;

  constructor(path: string) {
    this.#file = openSync(path, "w", 0o644);
  }

  /** How much has been written. */
  get offsetBytes(): number {
    return this.#offsetBytes;
  }

  /** Writes bytes, which may be changed as soon as this returns. */
  append(bytes: Buffer): void {
    this.#hash.update(bytes);
    for (let at = 0; at < bytes.length; at += HOLE_BYTES) {
      const part = bytes.subarray(at, at + HOLE_BYTES);
      if (!isZero(part)) writeFully(this.#file, part, this.#offsetBytes + at);
    }
    this.#offsetBytes += bytes.length;
  }

  /** Goes on with zeros up to an offset. */
  skipTo(offsetBytes: number): void {
    assert(offsetBytes >= this.#offsetBytes, `expected an offset from ${this.#offsetBytes} on, got ${offsetBytes}`);
    for (let left = offsetBytes - this.#offsetBytes; left > 0; left -= HOLE_BYTES) {
      this.#hash.update(left < HOLE_BYTES ? ZEROS.subarray(0, left) : ZEROS);
    }
    this.#offsetBytes = offsetBytes;
  }

  /** Digest of what has been written. */
  sha256SoFar(): Sha256Hex {
    return finishSha256(this.#hash.copy());
  }

  /** Gives the file its size, zeros at the end included. */
  finish(): WrittenFile {
    ftruncateSync(this.#file, this.#offsetBytes);
    return { sizeBytes: this.#offsetBytes, sha256: finishSha256(this.#hash) };
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}
