import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { FormatError } from "./errors.ts";
import { finishSha256, type Sha256Hex } from "./hash.ts";

/** Bytes that are read by position and may be larger than memory. */
export interface ByteSource {
  readonly sizeBytes: number;
  /**
   * The `lengthBytes` bytes at `offsetBytes`, as a new or shared buffer that callers do not change.
   * @throws FormatError where the range leaves the source
   */
  read(offsetBytes: number, lengthBytes: number): Buffer;
  /** Fills `target` with the bytes at `offsetBytes`, where reading would otherwise make a new buffer each time. */
  readInto?(target: Buffer, offsetBytes: number): void;
}

/** A source that holds a file open until it is disposed of. */
export interface FileSource extends ByteSource, Disposable {
  readonly path: string;
}

const CHUNK_BYTES = 1 << 20;
const BORROWED_BYTES = 1 << 17;

/** Bytes in memory as a source. */
export function bytesSource(bytes: Uint8Array): ByteSource {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    sizeBytes: buffer.length,
    read(offsetBytes, lengthBytes) {
      checkRange(buffer.length, offsetBytes, lengthBytes);
      return buffer.subarray(offsetBytes, offsetBytes + lengthBytes);
    },
  };
}

/** Opens a file as a source; `using` closes it. */
export function openFileSource(path: string): FileSource {
  const descriptor = openSync(path, "r");
  const sizeBytes = fstatSync(descriptor).size;
  return {
    path,
    sizeBytes,
    read(offsetBytes, lengthBytes) {
      checkRange(sizeBytes, offsetBytes, lengthBytes);
      const buffer = Buffer.allocUnsafe(lengthBytes);
      fill(buffer, descriptor, offsetBytes);
      return buffer;
    },
    readInto(target, offsetBytes) {
      checkRange(sizeBytes, offsetBytes, target.length);
      fill(target, descriptor, offsetBytes);
    },
    [Symbol.dispose]() {
      closeSync(descriptor);
    },
  };
}

/** A part of a source, itself a source. */
export function sliceSource(source: ByteSource, offsetBytes: number, sizeBytes: number): ByteSource {
  checkRange(source.sizeBytes, offsetBytes, sizeBytes);
  return {
    sizeBytes,
    read(innerOffsetBytes, lengthBytes) {
      checkRange(sizeBytes, innerOffsetBytes, lengthBytes);
      return source.read(offsetBytes + innerOffsetBytes, lengthBytes);
    },
    ...(source.readInto && {
      readInto(target: Buffer, innerOffsetBytes: number) {
        checkRange(sizeBytes, innerOffsetBytes, target.length);
        source.readInto?.(target, offsetBytes + innerOffsetBytes);
      },
    }),
  };
}

/** A stretch of a source; all of it unless given. */
type Range = { offsetBytes: number; sizeBytes: number };

/** The source from its start to its end, in buffers of at most 1 MiB that are the caller's to keep. */
export function* chunksOf(source: ByteSource, range: Range = wholeOf(source)): Generator<Buffer> {
  const end = range.offsetBytes + range.sizeBytes;
  for (let offset = range.offsetBytes; offset < end; offset += CHUNK_BYTES) {
    yield source.read(offset, Math.min(CHUNK_BYTES, end - offset));
  }
}

/**
 * As `chunksOf`, in small buffers that are each good only until the next is asked for: for those that hash, copy or
 * write what they see. Memory stays flat, and in the processor's cache.
 */
export function* borrowedChunksOf(source: ByteSource, range: Range = wholeOf(source)): Generator<Buffer> {
  const end = range.offsetBytes + range.sizeBytes;
  const buffer = Buffer.allocUnsafeSlow(source.readInto ? Math.min(BORROWED_BYTES, range.sizeBytes) : 0);
  for (let offset = range.offsetBytes; offset < end; offset += BORROWED_BYTES) {
    const sizeBytes = Math.min(BORROWED_BYTES, end - offset);
    if (!source.readInto) yield source.read(offset, sizeBytes);
    else {
      const chunk = buffer.subarray(0, sizeBytes);
      source.readInto(chunk, offset);
      yield chunk;
    }
  }
}

/** SHA-256 of a stretch of a source, in constant memory. */
export function sourceSha256(source: ByteSource, range: Range = wholeOf(source)): Sha256Hex {
  const hash = createHash("sha256");
  for (const chunk of borrowedChunksOf(source, range)) hash.update(chunk);
  return finishSha256(hash);
}

function wholeOf(source: ByteSource): Range {
  return { offsetBytes: 0, sizeBytes: source.sizeBytes };
}

function fill(buffer: Buffer, descriptor: number, offsetBytes: number): void {
  let done = 0;
  while (done < buffer.length) {
    const got = readSync(descriptor, buffer, done, buffer.length - done, offsetBytes + done);
    if (got === 0) throw new FormatError({ record: "file", offsetBytes: offsetBytes + done }, "the file ended early");
    done += got;
  }
}

function checkRange(sizeBytes: number, offsetBytes: number, lengthBytes: number): void {
  const fits =
    Number.isSafeInteger(offsetBytes) && Number.isSafeInteger(lengthBytes) && offsetBytes >= 0 && lengthBytes >= 0;
  if (fits && offsetBytes + lengthBytes <= sizeBytes) return;
  throw new FormatError(
    { record: "bytes", offsetBytes },
    `expected ${lengthBytes} bytes, but the source has ${sizeBytes}`,
  );
}
