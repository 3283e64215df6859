import { createHash } from "node:crypto";
import { bytesSource, chunksOf, finishSha256, FormatError, openFileSource, sha256Hex } from "@cvm-build/bytes";
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
 * A content in buffers of at most 1 MiB, for files that should not be in memory as a whole. Whether it has its digest
 * shows only at the end: what was made of the buffers counts only once the iteration is done.
 * @throws FormatError, after the last buffer, where the place no longer holds those bytes
 */
export function* contentChunks(content: Content): Generator<Buffer> {
  if ("bytes" in content) {
    yield* hashedChunks(content, bytesSource(content.bytes), { path: "content", offsetBytes: 0 });
    return;
  }
  using source = openFileSource(content.file.path);
  yield* hashedChunks(content, source, content.file);
}

function* hashedChunks(
  content: Content,
  source: ReturnType<typeof bytesSource>,
  { path, offsetBytes }: { path: string; offsetBytes: number },
): Generator<Buffer> {
  const hash = createHash("sha256");
  for (const chunk of chunksOf(source, { offsetBytes, sizeBytes: content.sizeBytes })) {
    hash.update(chunk);
    yield chunk;
  }
  if (finishSha256(hash) !== content.sha256) throw changedContent(content, path, offsetBytes);
}

function changedContent(content: Content, path: string, offsetBytes: number): FormatError {
  return new FormatError({ record: path, offsetBytes }, `expected content with SHA-256 ${content.sha256}`);
}
