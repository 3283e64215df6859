import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { FormatError } from "./errors.ts";

/** Bytes that are read by position and may be larger than memory. */
export interface ByteSource {
  readonly sizeBytes: number;
  /**
   * The `lengthBytes` bytes at `offsetBytes`, as a new or shared buffer that callers do not change.
   * @throws FormatError where the range leaves the source
   */
  read(offsetBytes: number, lengthBytes: number): Buffer;
}

/** A source that holds a file open until it is disposed of. */
export interface FileSource extends ByteSource, Disposable {
  readonly path: string;
}

const CHUNK_BYTES = 1 << 20;

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
      return readExactly(descriptor, offsetBytes, lengthBytes);
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
  };
}

/** The source from its start to its end, in buffers of at most 1 MiB. */
export function* chunksOf(
  source: ByteSource,
  range: { offsetBytes: number; sizeBytes: number } = { offsetBytes: 0, sizeBytes: source.sizeBytes },
): Generator<Buffer> {
  const end = range.offsetBytes + range.sizeBytes;
  for (let offset = range.offsetBytes; offset < end; offset += CHUNK_BYTES) {
    yield source.read(offset, Math.min(CHUNK_BYTES, end - offset));
  }
}

function readExactly(descriptor: number, offsetBytes: number, lengthBytes: number): Buffer {
  const buffer = Buffer.allocUnsafe(lengthBytes);
  let done = 0;
  while (done < lengthBytes) {
    const got = readSync(descriptor, buffer, done, lengthBytes - done, offsetBytes + done);
    if (got === 0) throw new FormatError({ record: "file", offsetBytes: offsetBytes + done }, "the file ended early");
    done += got;
  }
  return buffer;
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
