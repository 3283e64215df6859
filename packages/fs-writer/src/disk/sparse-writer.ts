import { createHash } from "node:crypto";
import { closeSync, ftruncateSync, openSync } from "node:fs";
import { assert, finishSha256, type Sha256Hex } from "@cvm-build/bytes";
import { writeSparsely } from "../zeros.ts";

/** What holes are hashed as, a piece at a time. */
const ZEROS = Buffer.alloc(1 << 16);

/** A file that was written. */
export interface WrittenFile {
  sizeBytes: number;
  sha256: Sha256Hex;
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
    writeSparsely(this.#file, bytes, this.#offsetBytes);
    this.#offsetBytes += bytes.length;
  }

  /** Goes on with zeros up to an offset. */
  skipTo(offsetBytes: number): void {
    assert(offsetBytes >= this.#offsetBytes, `expected an offset from ${this.#offsetBytes} on, got ${offsetBytes}`);
    for (let left = offsetBytes - this.#offsetBytes; left > 0; left -= ZEROS.length) {
      this.#hash.update(left < ZEROS.length ? ZEROS.subarray(0, left) : ZEROS);
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
