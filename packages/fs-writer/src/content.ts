import { createHash } from "node:crypto";
import {
  borrowedChunksOf,
  type ByteSource,
  bytesSource,
  type FileSource,
  finishSha256,
  FormatError,
  openFileSource,
  sha256Hex,
} from "@cvm-build/bytes";
import { LazyContent } from "./lazy-content.ts";
import type { Content } from "./tree.ts";

/** Bytes in memory as a file's content. */
export function contentOf(data: Uint8Array | string): Content {
  const bytes = typeof data === "string" ? Buffer.from(data) : data;
  return { sizeBytes: bytes.byteLength, sha256: sha256Hex(bytes), bytes };
}

/**
 * The whole of a content, compared with its digest.
 * @throws FormatError where the place no longer holds those bytes
 */
export function readContent(content: Content): Buffer {
  if ("bytes" in content) return Buffer.from(content.bytes.buffer, content.bytes.byteOffset, content.bytes.byteLength);
  const { path, offsetBytes } = content.file;
  using source = openFileSource(path);
  const bytes = source.read(offsetBytes, content.sizeBytes);
  if (sha256Hex(bytes) !== content.sha256) throw changedContent(content, path, offsetBytes);
  return bytes;
}

/**
 * A content in buffers that are each good only until the next is asked for, for files that should not be in memory as a
 * whole. Whether it has its digest shows only at the end: what was made of them counts only once the iteration is done.
 * @throws FormatError, after the last buffer, where the place no longer holds those bytes
 */
export function* contentChunks(content: Content): Generator<Buffer> {
  using reader = new ContentReader();
  yield* reader.chunks(content);
}

/** Reads many contents one after the other, as `contentChunks` does, and opens a file once for those that lie in it. */
export class ContentReader implements Disposable {
  #open: FileSource | undefined;

  /** @throws FormatError, after the last buffer, where the place no longer holds those bytes */
  *chunks(content: Content): Generator<Buffer> {
    if (content instanceof LazyContent) {
      yield* content.chunks();
      return;
    }
    const isPlaced = "file" in content;
    const source = isPlaced ? this.#sourceAt(content.file.path) : bytesSource(content.bytes);
    const offsetBytes = isPlaced ? content.file.offsetBytes : 0;
    const hash = createHash("sha256");
    for (const chunk of borrowedChunksOf(source, { offsetBytes, sizeBytes: content.sizeBytes })) {
      hash.update(chunk);
      yield chunk;
    }
    if (finishSha256(hash) === content.sha256) return;
    throw changedContent(content, isPlaced ? content.file.path : "content", offsetBytes);
  }

  [Symbol.dispose](): void {
    this.#open?.[Symbol.dispose]();
    this.#open = undefined;
  }

  #sourceAt(path: string): ByteSource {
    if (this.#open?.path === path) return this.#open;
    this[Symbol.dispose]();
    this.#open = openFileSource(path);
    return this.#open;
  }
}

function changedContent(content: Content, path: string, offsetBytes: number): FormatError {
  return new FormatError({ record: path, offsetBytes }, `expected content with SHA-256 ${content.sha256}`);
}
