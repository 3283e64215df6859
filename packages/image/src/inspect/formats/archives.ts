import { detectCompression } from "@cvm-build/fs-writer";
import type { ByteSource } from "@cvm-build/bytes";
import { treeOfInitrd } from "../trees/initrd-tree.ts";
import { treeOfTar } from "../trees/tar-tree.ts";
import { type ImageFormat, hasBytes } from "./format.ts";

const NEWC_MAGICS = ["070701", "070702"].map((magic) => Buffer.from(magic));

/** Whether bytes begin with an entry of a cpio archive. */
export function startsCpio(source: ByteSource): boolean {
  return NEWC_MAGICS.some((magic) => hasBytes(source, 0, magic));
}

/** cpio archives, one or several in a row, each compressed or not: what the kernel takes for an initrd. */
export const CPIO: ImageFormat = {
  name: "cpio",
  // A compressed one has been found to be an initrd before it comes here.
  matches: (source) =>
    startsCpio(source) || detectCompression(source.read(0, Math.min(6, source.sizeBytes))) !== "none",
  describe: () => ({ facts: {} }),
  tree: treeOfInitrd,
};

const USTAR = Buffer.from("ustar");
const USTAR_OFFSET_BYTES = 257;
const BLOCK_BYTES = 512;
const SUM_OFFSET_BYTES = 148;
const SUM_BYTES = 8;

/** tar: ustar, pax, GNU's and older ones. */
export const TAR: ImageFormat = {
  name: "tar",
  matches(source) {
    if (hasBytes(source, USTAR_OFFSET_BYTES, USTAR)) return true;
    if (source.sizeBytes < BLOCK_BYTES) return false;
    const block = source.read(0, BLOCK_BYTES);
    const stated = block.toString("latin1", SUM_OFFSET_BYTES, SUM_OFFSET_BYTES + SUM_BYTES);
    const digits = /^[ 0]*([0-7]{1,6})[\0 ]/.exec(stated)?.[1];
    if (digits === undefined) return false;
    let sum = SUM_BYTES * 0x20;
    for (const [at, byte] of block.entries()) {
      if (at < SUM_OFFSET_BYTES || at >= SUM_OFFSET_BYTES + SUM_BYTES) sum += byte;
    }
    return sum === Number.parseInt(digits, 8);
  },
  describe: () => ({ facts: {} }),
  tree: treeOfTar,
};
