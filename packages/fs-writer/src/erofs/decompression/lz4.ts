import { FormatError } from "@cvm-build/bytes";

/** The shortest match, which its token leaves out. */
const MIN_MATCH_BYTES = 4;
/** What four bits of a token cannot tell goes on in bytes after it. */
const LONG_LENGTH = 15;
/** From this distance on, copying a match as one is faster than byte by byte. */
const BULK_DISTANCE = 16;

/** What is decompressed into, and how much of it there is. */
export interface ClusterDecoding {
  /** How many bytes are wanted. */
  sizeBytes: number;
  /** Whether the input may hold more than is wanted, or be followed by something else. */
  isPartial: boolean;
}

/**
 * Decodes an LZ4 block.
 * @throws FormatError where it is damaged, or does not hold exactly what is wanted
 * @see LZ4, doc/lz4_Block_format.md
 */
export function decodeLz4(input: Buffer, { sizeBytes, isPartial }: ClusterDecoding): Buffer {
  const output = Buffer.allocUnsafe(sizeBytes);
  const end = input.length;
  let from = 0;
  let to = 0;
  while (from < end) {
    const token = input[from++] as number;
    let literalBytes = token >> 4;
    if (literalBytes === LONG_LENGTH) {
      for (let byte = 255; byte === 255; literalBytes += byte) byte = byteAt(input, from++);
    }
    if (literalBytes > end - from) throw damaged(from, "expected literals to end with the input");
    const wantedLiterals = Math.min(literalBytes, sizeBytes - to);
    if (wantedLiterals < literalBytes && !isPartial) throw damaged(from, `expected at most ${sizeBytes} bytes`);
    copyLiterals(output, to, input, from, wantedLiterals);
    from += literalBytes;
    to += wantedLiterals;
    if (to === sizeBytes && isPartial) return output;
    if (from === end) break;
    const distance = byteAt(input, from) | (byteAt(input, from + 1) << 8);
    if (distance === 0 || distance > to) throw damaged(from, "expected a distance within what is decoded");
    from += 2;
    let matchBytes = (token & 0xf) + MIN_MATCH_BYTES;
    if ((token & 0xf) === LONG_LENGTH) {
      for (let byte = 255; byte === 255; matchBytes += byte) byte = byteAt(input, from++);
    }
    const wantedMatch = Math.min(matchBytes, sizeBytes - to);
    if (wantedMatch < matchBytes && !isPartial) throw damaged(from, `expected at most ${sizeBytes} bytes`);
    copyMatch(output, to, distance, wantedMatch);
    to += wantedMatch;
    if (to === sizeBytes && isPartial) return output;
  }
  if (to !== sizeBytes) throw damaged(from, `expected ${sizeBytes} bytes, got ${to}`);
  return output;
}

function byteAt(input: Buffer, at: number): number {
  if (at >= input.length) throw damaged(at, "expected more bytes");
  return input[at] as number;
}

function copyLiterals(output: Buffer, to: number, input: Buffer, from: number, sizeBytes: number): void {
  if (sizeBytes >= BULK_DISTANCE) {
    input.copy(output, to, from, from + sizeBytes);
    return;
  }
  for (let at = 0; at < sizeBytes; at++) output[to + at] = input[from + at] as number;
}

/** A match may overlap what it makes: then it repeats its first `distance` bytes. */
function copyMatch(output: Buffer, to: number, distance: number, sizeBytes: number): void {
  if (distance < BULK_DISTANCE || sizeBytes < BULK_DISTANCE) {
    for (let at = to; at < to + sizeBytes; at++) output[at] = output[at - distance] as number;
    return;
  }
  for (let done = 0; done < sizeBytes;) {
    const step = Math.min(distance, sizeBytes - done);
    output.copyWithin(to + done, to + done - distance, to + done - distance + step);
    done += step;
  }
}

function damaged(offsetBytes: number, expectation: string): FormatError {
  return new FormatError({ record: "LZ4", offsetBytes }, expectation);
}
