import { hash } from "node:crypto";
import { DIGEST_SIZE_BYTES } from "@cvm-build/bytes";
import type { VerityAlgorithm, VerityFormatVersion } from "./format.ts";

/** How blocks become digests. */
export interface BlockHashing {
  formatVersion: VerityFormatVersion;
  algorithm: VerityAlgorithm;
  salt: Uint8Array;
}

/** One level of a hash tree: digests of the level below, or of the data. */
export interface HashLevel {
  /** Of the hash device, in bytes. */
  offsetBytes: number;
  blocks: number;
}

/** What decides where a hash tree's blocks lie. */
export interface HashTreeShape {
  algorithm: VerityAlgorithm;
  dataBlocks: number;
  hashBlockBytes: number;
  /** Where the tree begins, in bytes. */
  treeOffsetBytes: number;
}

/**
 * Where the levels of a hash tree lie, that of the data's digests first, though it is the last on the device. None where
 * there is one block of data: its digest is the root hash.
 * @see Linux Documentation/admin-guide/device-mapper/verity.rst, "Hash Tree"
 */
export function layOutHashTree({ algorithm, dataBlocks, hashBlockBytes, treeOffsetBytes }: HashTreeShape): HashLevel[] {
  const digestsPerBlock = hashBlockBytes / DIGEST_SIZE_BYTES[algorithm];
  const sizes: number[] = [];
  for (let blocks = dataBlocks; blocks > 1; sizes.push(blocks)) blocks = Math.ceil(blocks / digestsPerBlock);
  const levels: HashLevel[] = [];
  let offsetBytes = treeOffsetBytes;
  for (const blocks of sizes.toReversed()) {
    levels.push({ offsetBytes, blocks });
    offsetBytes += blocks * hashBlockBytes;
  }
  return levels.toReversed();
}

/** Size of all levels together, in bytes. */
export function hashTreeBytes(levels: readonly HashLevel[], hashBlockBytes: number): number {
  return levels.reduce((sum, { blocks }) => sum + blocks * hashBlockBytes, 0);
}

/**
 * Hashes blocks that lie in a row.
 * @returns a function of the blocks to their digests in a row
 * @see cryptsetup wiki, "DMVerity", "Hash type"
 */
export function blockHasher(hashing: BlockHashing, blockBytes: number): (blocks: Buffer) => Buffer {
  const { algorithm, formatVersion, salt } = hashing;
  const digestBytes = DIGEST_SIZE_BYTES[algorithm];
  const blockAt = formatVersion === 0 ? 0 : salt.length;
  const message = Buffer.alloc(salt.length + blockBytes);
  message.set(salt, formatVersion === 0 ? blockBytes : 0);
  return (blocks) => {
    const digests = Buffer.allocUnsafe((blocks.length / blockBytes) * digestBytes);
    for (let at = 0, to = 0; at < blocks.length; at += blockBytes, to += digestBytes) {
      blocks.copy(message, blockAt, at, at + blockBytes);
      // As text, which costs less than a buffer for each.
      digests.write(hash(algorithm, message, "binary"), to, "latin1");
    }
    return digests;
  };
}
