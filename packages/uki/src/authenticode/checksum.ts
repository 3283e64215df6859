import { alignUp, borrowedChunksOf, type ByteSource } from "@cvm-build/bytes";

/** Sums with carries of 16-bit words are sums modulo this; 2^16 and 2^32 count as 1. */
const MODULUS = 0xffff;

/**
 * The checksum of a PE image: its 16-bit words added up with their carries, the field's own left out, plus its size.
 * @param fieldOffset where the checksum's four bytes stand, at an even offset
 * @see Microsoft, `CheckSumMappedFile` of ImageHlp
 */
export function peCheckSum(source: ByteSource, fieldOffset: number): number {
  let sum = 0;
  for (const chunk of borrowedChunksOf(source)) sum = (sum + sumOfWords(chunk)) % MODULUS;
  const field = sumOfWords(source.read(fieldOffset, 4)) % MODULUS;
  // Carries never make a zero out of words that are not all zero, and an image begins with "MZ".
  const folded = (sum - field + MODULUS) % MODULUS || MODULUS;
  return (folded + source.sizeBytes) % 2 ** 32;
}

/** Adds up 32 bits at a time, without carries: exact for chunks below 8 MiB. */
function sumOfWords(chunk: Buffer): number {
  const words = wordsOf(chunk);
  let sum = 0;
  // By index: twice as fast as `for … of` where 200 MB are added up.
  for (let index = 0; index < words.length; index++) sum += words[index] as number;
  return sum;
}

function wordsOf(chunk: Buffer): Uint32Array {
  if (chunk.byteOffset % 4 === 0 && chunk.length % 4 === 0) {
    return new Uint32Array(chunk.buffer, chunk.byteOffset, chunk.length / 4);
  }
  const copy = new Uint8Array(alignUp(chunk.length, 4));
  copy.set(chunk);
  return new Uint32Array(copy.buffer);
}
