import { type ByteSource, openFileSource } from "@cvm-build/bytes";
import { type BlockHashing, blockHasher } from "./hash-tree.ts";

/** Blocks of a file whose digests are wanted. */
export interface HashRangeTask {
  path: string;
  offsetBytes: number;
  sizeBytes: number;
  blockBytes: number;
  hashing: BlockHashing;
}

/** How much is read at a time: a multiple of every block size. */
const READ_BYTES = 1 << 18;

/** Digests of a file's blocks, in a row. */
export function hashRange({ path, ...range }: HashRangeTask): Buffer {
  using source = openFileSource(path);
  return hashBlocks(source, range);
}

/** Digests of a source's blocks, in a row. */
export function hashBlocks(source: ByteSource, range: Omit<HashRangeTask, "path">): Buffer {
  return Buffer.concat([...blockDigests(source, range)]);
}

/** As `hashBlocks`, a few blocks' digests at a time. */
export function* blockDigests(source: ByteSource, range: Omit<HashRangeTask, "path">): Generator<Buffer> {
  const { offsetBytes, sizeBytes, blockBytes, hashing } = range;
  const hasher = blockHasher(hashing, blockBytes);
  const buffer = Buffer.allocUnsafeSlow(source.readInto ? Math.min(READ_BYTES, sizeBytes) : 0);
  for (let done = 0; done < sizeBytes; done += READ_BYTES) {
    const lengthBytes = Math.min(READ_BYTES, sizeBytes - done);
    if (!source.readInto) yield hasher(source.read(offsetBytes + done, lengthBytes));
    else {
      const blocks = buffer.subarray(0, lengthBytes);
      source.readInto(blocks, offsetBytes + done);
      yield hasher(blocks);
    }
  }
}
