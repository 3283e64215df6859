import { closeSync, ftruncateSync, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  assert,
  borrowedChunksOf,
  type ByteSource,
  type FileSource,
  openFileSource,
  sliceSource,
  writeFully,
} from "@cvm-build/bytes";
import { writeSparsely } from "@cvm-build/fs-writer";

/** A folder for what has to be decompressed before it can be looked at. It is made when needed, and goes with all in it. */
export class Workspace implements Disposable {
  readonly #parent: string;
  #path: string | undefined;
  readonly #open: Disposable[] = [];
  #kept: { descriptor: number; sizeBytes: number } | undefined;
  #files = 0;

  /** @param parent where the folder is made, the system's place for temporary files unless given */
  constructor(parent: string = tmpdir()) {
    this.#parent = parent;
  }

  /** A copy of bytes that will be gone. It can be read as long as the workspace is there. */
  keep(data: ByteSource): ByteSource {
    this.#kept ??= { descriptor: openSync(this.#place("kept"), "wx+", 0o600), sizeBytes: 0 };
    const kept = this.#kept;
    const offsetBytes = kept.sizeBytes;
    for (const chunk of borrowedChunksOf(data)) {
      writeFully(kept.descriptor, chunk, kept.sizeBytes);
      kept.sizeBytes += chunk.length;
    }
    const whole = descriptorSource(kept.descriptor, kept.sizeBytes);
    return sliceSource(whole, offsetBytes, data.sizeBytes);
  }

  /** All chunks in a file, zeros as holes. */
  async collect(chunks: AsyncIterable<Uint8Array>): Promise<FileSource> {
    const path = this.#place(`collected-${this.#files++}`);
    const descriptor = openSync(path, "wx", 0o600);
    try {
      let sizeBytes = 0;
      for await (const { buffer, byteOffset, byteLength } of chunks) {
        writeSparsely(descriptor, Buffer.from(buffer, byteOffset, byteLength), sizeBytes);
        sizeBytes += byteLength;
      }
      ftruncateSync(descriptor, sizeBytes);
    } finally {
      closeSync(descriptor);
    }
    const source = openFileSource(path);
    this.#open.push(source);
    return source;
  }

  [Symbol.dispose](): void {
    for (const file of this.#open) file[Symbol.dispose]();
    if (this.#kept) closeSync(this.#kept.descriptor);
    if (this.#path !== undefined) rmSync(this.#path, { recursive: true, force: true });
  }

  #place(name: string): string {
    this.#path ??= mkdtempSync(join(this.#parent, ".cvm-build-"));
    return join(this.#path, name);
  }
}

/** Writes chunks one after the other from the start of a file, zeros as holes. */
export function writeSparse(descriptor: number, chunks: Iterable<Buffer>): void {
  let sizeBytes = 0;
  for (const chunk of chunks) {
    writeSparsely(descriptor, chunk, sizeBytes);
    sizeBytes += chunk.length;
  }
  ftruncateSync(descriptor, sizeBytes);
}

/** The first bytes of a file that is open and only grows. */
function descriptorSource(descriptor: number, sizeBytes: number): ByteSource {
  return {
    sizeBytes,
    read(offsetBytes, lengthBytes) {
      const bytes = Buffer.allocUnsafe(lengthBytes);
      for (let done = 0; done < lengthBytes;) {
        const got = readSync(descriptor, bytes, done, lengthBytes - done, offsetBytes + done);
        assert(got > 0, `expected ${lengthBytes} bytes of a file that was just written`);
        done += got;
      }
      return bytes;
    },
  };
}
