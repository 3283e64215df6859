import { createHash } from "node:crypto";

/** About half of the names: which ones follows from the seed alone. */
export function choose<T extends string>(seed: string, from: readonly T[]): T[] {
  return from.filter((name) => (noise(`${seed} ${name}`, 1)[0] ?? 0) < 128);
}

/** Bytes that follow from a text. */
export function noise(seed: string, sizeBytes: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(sizeBytes / 64) }, (_, index) =>
    createHash("sha512").update(`${seed} ${index}`).digest(),
  );
  return Buffer.concat(blocks).subarray(0, sizeBytes);
}
