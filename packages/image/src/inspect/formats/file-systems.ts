import { FormatError } from "@cvm-build/bytes";
import { openErofs, openVfat } from "@cvm-build/fs-writer";
import { treeOfErofs } from "../trees/erofs-tree.ts";
import { treeOfVfat } from "../trees/vfat-tree.ts";
import { type ImageFormat, hasBytes } from "./format.ts";

const EROFS_MAGIC = Buffer.from("e2e1f5e0", "hex");
const EROFS_MAGIC_OFFSET_BYTES = 1024;

/** erofs, read-only and perhaps compressed. */
export const EROFS: ImageFormat = {
  name: "erofs",
  fstype: "erofs",
  matches: (source) => hasBytes(source, EROFS_MAGIC_OFFSET_BYTES, EROFS_MAGIC),
  describe(source) {
    const { facts } = openErofs(source);
    return {
      uuid: facts.uuid,
      label: facts.label,
      facts: {
        blockBytes: facts.blockBytes,
        blockCount: facts.blockCount,
        inodeCount: Number(facts.inodeCount),
        features: facts.features,
        algorithms: facts.algorithms,
      },
    };
  },
  tree: treeOfErofs,
};

const BOOT_SIGNATURE = Buffer.from("55aa", "hex");
const BOOT_SIGNATURE_OFFSET_BYTES = 510;

/** FAT12, FAT16 and FAT32. */
export const VFAT: ImageFormat = {
  name: "vfat",
  fstype: "vfat",
  matches(source) {
    if (!hasBytes(source, BOOT_SIGNATURE_OFFSET_BYTES, BOOT_SIGNATURE)) return false;
    try {
      openVfat(source);
      return true;
    } catch (error) {
      if (error instanceof FormatError) return false;
      throw error;
    }
  },
  describe(source) {
    const { geometry, label, serial } = openVfat(source);
    const digits = serial?.toString(16).toUpperCase().padStart(8, "0");
    return {
      ...(digits !== undefined && { uuid: `${digits.slice(0, 4)}-${digits.slice(4)}` }),
      label,
      facts: {
        variant: geometry.variant,
        sectorBytes: geometry.sectorBytes,
        clusterBytes: geometry.sectorsPerCluster * geometry.sectorBytes,
        clusters: geometry.clusters,
      },
    };
  },
  tree: treeOfVfat,
};

/** File systems and the like that are named and not read. */
const NAMED: readonly { name: string; fstype: string; offsetBytes: number; magic: Buffer }[] = [
  { name: "ext2, ext3 or ext4", fstype: "ext4", offsetBytes: 1080, magic: Buffer.from("53ef", "hex") },
  { name: "squashfs", fstype: "squashfs", offsetBytes: 0, magic: Buffer.from("hsqs") },
  { name: "xfs", fstype: "xfs", offsetBytes: 0, magic: Buffer.from("XFSB") },
  { name: "btrfs", fstype: "btrfs", offsetBytes: 65600, magic: Buffer.from("_BHRfS_M") },
  { name: "swap", fstype: "swap", offsetBytes: 4086, magic: Buffer.from("SWAPSPACE2") },
  { name: "iso9660", fstype: "iso9660", offsetBytes: 32769, magic: Buffer.from("CD001") },
];

/** Formats of `NAMED`. */
export const NAMED_FORMATS: readonly ImageFormat[] = NAMED.map(({ name, fstype, offsetBytes, magic }) => ({
  name,
  fstype,
  matches: (source) => hasBytes(source, offsetBytes, magic),
  describe: () => ({ facts: {} }),
}));
