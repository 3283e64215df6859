import { FormatError } from "@cvm-build/bytes";
import * as fc from "fast-check";

/** `bytes` with some of them overwritten, cut off, or doubled; sometimes other bytes altogether. */
export function mutated(bytes: Buffer): fc.Arbitrary<Buffer> {
  const at = fc.nat({ max: bytes.length - 1 });
  const overwritten = fc
    .array(fc.tuple(at, fc.uint8Array({ minLength: 1, maxLength: 8 })), { minLength: 1, maxLength: 6 })
    .map((patches) => {
      const copy = Buffer.from(bytes);
      for (const [offset, patch] of patches) copy.set(patch.subarray(0, copy.length - offset), offset);
      return copy;
    });
  const cut = at.map((length) => bytes.subarray(0, length));
  const spliced = fc
    .tuple(at, at, at)
    .map(([a, b, c]) => Buffer.concat([bytes.subarray(0, a), bytes.subarray(b), bytes.subarray(c)]));
  const other = fc.uint8Array({ maxLength: 2000 }).map((array) => Buffer.from(array));
  return fc.oneof({ weight: 6, arbitrary: overwritten }, cut, spliced, other);
}

/** Runs a decoder of foreign bytes: whatever it throws must be a `FormatError`. */
export async function expectValueOrFormatError(decode: () => unknown): Promise<void> {
  try {
    await decode();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
  }
}
