import { createHash } from "node:crypto";
import { borrowedChunksOf, type ByteSource, type HashAlgorithm } from "@cvm-build/bytes";
import type { ByteRange } from "@cvm-build/uki";

/** A piece of what is hashed: a stretch of the image, or bytes that firmware or stub make themselves. */
export type DigestPart = ByteRange | { bytes: Uint8Array };

/** A run of bytes that is hashed once, and the places in it at which a digest is taken. Plain data, fit for a thread. */
export interface DigestStream {
  parts: DigestPart[];
  /** After how many parts a digest is taken, ascending; the last is after all of them. */
  marks: number[];
  /** Whether its bytes are mostly those of a kernel or an initrd, which images share that differ in little. */
  recurs?: boolean;
}

/** Digests of a stream, lower-case hex: one for each mark. */
export type StreamDigests = string[];

/** A stream, and the algorithms under which it is to be hashed. */
export interface StreamWork {
  stream: DigestStream;
  algorithms: readonly HashAlgorithm[];
}

/** Bytes in a stream. */
export function streamBytes({ parts }: DigestStream): number {
  return parts.reduce((sum, part) => sum + partBytes(part), 0);
}

/** Bytes in a piece. */
export function partBytes(part: DigestPart): number {
  return "bytes" in part ? part.bytes.byteLength : part.sizeBytes;
}

/**
 * Hashes a stream of an image, reading it once whatever the number of algorithms and marks.
 * @returns its digests under each algorithm, in order
 * @throws FormatError where a stretch leaves the image
 */
export function hashStream(image: ByteSource, { stream, algorithms }: StreamWork): StreamDigests[] {
  const { parts, marks } = stream;
  const hashes = algorithms.map((algorithm) => createHash(algorithm));
  const update = (chunk: Uint8Array) => {
    for (const hash of hashes) hash.update(chunk);
  };
  const taken: string[][] = [];
  for (const [index, part] of parts.entries()) {
    if (marks[taken.length] === index) taken.push(hashes.map((hash) => hash.copy().digest("hex")));
    if ("bytes" in part) update(part.bytes);
    else for (const chunk of borrowedChunksOf(image, part)) update(chunk);
  }
  taken.push(hashes.map((hash) => hash.digest("hex")));
  return algorithms.map((_, index) => taken.map((digests) => digests[index] ?? ""));
}
