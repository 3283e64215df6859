import { createHash } from "node:crypto";
import { borrowedChunksOf, type ByteSource, finishSha256, type Sha256Hex } from "@cvm-build/bytes";

/**
 * A file's content in an image that is being looked at: it is read when it is asked for, as often as it is, and hashed on
 * the way. No plain data: workers cannot have it.
 */
export class LazyContent {
  readonly sizeBytes: number;
  /** The same by position, where it can be had so. */
  readonly source: ByteSource | undefined;
  readonly #read: () => Iterable<Buffer>;
  #sha256: Sha256Hex | undefined;

  /** @param read the content from its start, in buffers that are each good only until the next is asked for */
  constructor(sizeBytes: number, read: () => Iterable<Buffer>, source?: ByteSource) {
    this.sizeBytes = sizeBytes;
    this.source = source;
    this.#read = read;
  }

  /** A content that lies in a source. */
  static in(source: ByteSource): LazyContent {
    return new LazyContent(source.sizeBytes, () => borrowedChunksOf(source), source);
  }

  get sha256(): Sha256Hex {
    for (const chunks = this.chunks(); this.#sha256 === undefined;) chunks.next();
    return this.#sha256;
  }

  /** All of it, in memory. */
  get bytes(): Buffer {
    const copies: Buffer[] = [];
    for (const chunk of this.#read()) copies.push(Buffer.from(chunk));
    return Buffer.concat(copies);
  }

  /** The content in buffers that are each good only until the next is asked for. */
  *chunks(): Generator<Buffer> {
    if (this.#sha256 !== undefined) {
      yield* this.#read();
      return;
    }
    const hash = createHash("sha256");
    for (const chunk of this.#read()) {
      hash.update(chunk);
      yield chunk;
    }
    this.#sha256 = finishSha256(hash);
  }
}
