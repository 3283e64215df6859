import { closeSync, openSync, readSync } from "node:fs";
import { FormatError, sha256Hex } from "@cvm-build/bytes";
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
  const bytes = Buffer.allocUnsafe(content.sizeBytes);
  const descriptor = openSync(path, "r");
  try {
    for (let done = 0; done < bytes.length;) {
      const got = readSync(descriptor, bytes, done, bytes.length - done, offsetBytes + done);
      if (got === 0) throw new FormatError({ record: path, offsetBytes: offsetBytes + done }, "the file ended early");
      done += got;
    }
  } finally {
    closeSync(descriptor);
  }
  if (sha256Hex(bytes) !== content.sha256) {
    throw new FormatError({ record: path, offsetBytes }, `expected content with SHA-256 ${content.sha256}`);
  }
  return bytes;
}
