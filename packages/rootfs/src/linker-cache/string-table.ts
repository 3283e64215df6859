/** Strings laid out with shared tails, and where each begins. */
export interface StringTable {
  bytes: Buffer;
  /** Offset of each string, in bytes from the start of the table. */
  offsets: ReadonlyMap<string, number>;
}

/**
 * Lays strings out as ldconfig does: sorted by their reversed bytes, highest first, so that a string that is another's
 * tail follows it and shares its bytes.
 */
export function layOutStrings(strings: Iterable<string>): StringTable {
  const sorted = [...new Set(strings)]
    .map((text) => ({ text, bytes: Buffer.from(text), reversed: Buffer.from(text).reverse() }))
    .sort((a, b) => Buffer.compare(b.reversed, a.reversed));
  const offsets = new Map<string, number>();
  const parts: Buffer[] = [];
  let sizeBytes = 0;
  let previous: { bytes: Buffer; offset: number } | undefined;
  for (const { text, bytes } of sorted) {
    const isTail = previous !== undefined && endsWith(previous.bytes, bytes);
    const offset = isTail && previous ? previous.offset + previous.bytes.length - bytes.length : sizeBytes;
    if (!isTail) {
      parts.push(bytes, Buffer.alloc(1));
      sizeBytes += bytes.length + 1;
    }
    offsets.set(text, offset);
    previous = { bytes, offset };
  }
  return { bytes: Buffer.concat(parts), offsets };
}

function endsWith(bytes: Buffer, tail: Buffer): boolean {
  return bytes.length >= tail.length && bytes.subarray(bytes.length - tail.length).equals(tail);
}
