import { crc32, inflateRawSync, zstdDecompressSync, type InputType, type ZlibOptions } from "node:zlib";
import { type ByteSource, FormatError } from "@cvm-build/bytes";
import { zstdFrameSizeBytes } from "./zstd-frame.ts";

/** What one compressed member of a longer file holds, and how many bytes of the file it takes. */
export interface Member {
  data: Buffer;
  sizeBytes: number;
}

/** How much a member may hold. */
export interface MemberOptions {
  /** How large the decompressed data may be. */
  maxSizeBytes: number;
}

/**
 * Decompresses the zstd frame at `offsetBytes`, whatever follows it.
 * @throws FormatError where it is damaged, ends early, or holds more than `maxSizeBytes`
 */
export function decodeZstdMember(source: ByteSource, offsetBytes: number, { maxSizeBytes }: MemberOptions): Member {
  const sizeBytes = zstdFrameSizeBytes(source, offsetBytes);
  const frame = source.read(offsetBytes, sizeBytes);
  const data = decoding({ record: "zstd", offsetBytes }, () =>
    zstdDecompressSync(frame, { maxOutputLength: Math.max(1, maxSizeBytes) }),
  );
  return { data, sizeBytes };
}

/** Flags of a gzip header. */
const FHCRC = 2;
const FEXTRA = 4;
const FNAME = 8;
const FCOMMENT = 16;
const FIXED_HEADER_BYTES = 10;
const TRAILER_BYTES = 8;
/** How much of the file is tried first; a longer member is tried again with more. */
const FIRST_TRY_BYTES = 1 << 12;
const NEXT_TRY_FACTOR = 8;

/**
 * Decompresses the gzip member at `offsetBytes`, whatever follows it, and compares its checksum and length.
 * @throws FormatError where it is damaged, ends early, or holds more than `maxSizeBytes`
 * @see RFC 1952, 2.3
 */
export function decodeGzipMember(source: ByteSource, offsetBytes: number, { maxSizeBytes }: MemberOptions): Member {
  const place = { record: "gzip", offsetBytes };
  const headerBytes = gzipHeaderSizeBytes(source, offsetBytes);
  const { data, consumedBytes } = inflateSomewhere(source, offsetBytes + headerBytes, { maxSizeBytes });
  const trailerOffsetBytes = offsetBytes + headerBytes + consumedBytes;
  if (source.sizeBytes - trailerOffsetBytes < TRAILER_BYTES) throw new FormatError(place, "the member ended early");
  const trailer = source.read(trailerOffsetBytes, TRAILER_BYTES);
  if (trailer.readUInt32LE(0) !== crc32(data) || trailer.readUInt32LE(4) !== data.length % 2 ** 32) {
    throw new FormatError(place, "expected data with the member's checksum and length");
  }
  return { data, sizeBytes: headerBytes + consumedBytes + TRAILER_BYTES };
}

function gzipHeaderSizeBytes(source: ByteSource, offsetBytes: number): number {
  const byteAt = (at: number): number => {
    const byte = at < source.sizeBytes ? source.read(at, 1)[0] : undefined;
    if (byte === undefined) throw new FormatError({ record: "gzip", offsetBytes }, "the header ended early");
    return byte;
  };
  const flags = byteAt(offsetBytes + 3);
  let at = offsetBytes + FIXED_HEADER_BYTES;
  if ((flags & FEXTRA) !== 0) at += 2 + byteAt(at) + 256 * byteAt(at + 1);
  for (const flag of [FNAME, FCOMMENT]) {
    if ((flags & flag) === 0) continue;
    while (byteAt(at++) !== 0);
  }
  if ((flags & FHCRC) !== 0) at += 2;
  byteAt(at);
  return at - offsetBytes;
}

/** Inflates with no more of the file in memory than some times the member: where it ends shows only at its end. */
function inflateSomewhere(
  source: ByteSource,
  offsetBytes: number,
  { maxSizeBytes }: MemberOptions,
): { data: Buffer; consumedBytes: number } {
  const leftBytes = source.sizeBytes - offsetBytes;
  for (let tryBytes = FIRST_TRY_BYTES; ; tryBytes *= NEXT_TRY_FACTOR) {
    const input = source.read(offsetBytes, Math.min(tryBytes, leftBytes));
    try {
      const { buffer, engine } = inflateWithInfo(input, { maxOutputLength: Math.max(1, maxSizeBytes), info: true });
      return { data: buffer, consumedBytes: engine.bytesWritten };
    } catch (cause) {
      const endedEarly = (cause as NodeJS.ErrnoException).code === "Z_BUF_ERROR";
      if (endedEarly && input.length < leftBytes) continue;
      throw formatError({ record: "gzip", offsetBytes }, cause);
    }
  }
}

/** The types of Node leave out what `info` changes. */
const inflateWithInfo = inflateRawSync as unknown as (
  input: InputType,
  options: ZlibOptions & { info: true },
) => { buffer: Buffer; engine: { bytesWritten: number } };

function decoding<T>(place: { record: string; offsetBytes: number }, decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    throw formatError(place, cause);
  }
}

function formatError(place: { record: string; offsetBytes: number }, cause: unknown): FormatError {
  return new FormatError(place, cause instanceof Error ? cause.message : String(cause), { cause });
}
