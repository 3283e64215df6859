/** A stretch of machine code within a volume. Addresses are offsets in the volume, which runs where it lies. */
export interface Code {
  volume: Buffer;
  /** Where the image begins. */
  start: number;
  end: number;
}

/**
 * Finds where instructions stand.
 * @param pattern hex bytes, `??` for any
 * @returns offsets in the volume, ascending
 */
export function findAll({ volume, start, end }: Code, pattern: string): number[] {
  const bytes = pattern.split(" ").map((byte) => (byte === "??" ? "[^]" : `\\x${byte}`));
  const found = volume.toString("latin1", start, end).matchAll(new RegExp(bytes.join(""), "g"));
  return Array.from(found, ({ index }) => start + index);
}

/** As `findAll`, of what is there once: undefined where it is nowhere, or in several places. */
export function findOnly(code: Code, pattern: string): number | undefined {
  const found = findAll(code, pattern);
  return found.length === 1 ? found[0] : undefined;
}

/**
 * What an instruction with an address relative to the next one refers to.
 * @param at where its four bytes of displacement are
 * @param more how many bytes of the instruction follow them
 * @returns an offset in the volume; undefined where it leaves the image
 */
export function relativeTarget({ volume, start, end }: Code, at: number, more = 0): number | undefined {
  const next = at + 4 + more;
  if (at < start || next > end) return undefined;
  const target = next + volume.readInt32LE(at);
  return target >= start && target < end ? target : undefined;
}
