import { quoteText } from "../error.ts";
import { PARTITIONED_FORMATS, VERITY_FORMATS } from "../output-format.ts";
import { parseSize } from "../quantity.ts";
import { filling, one } from "../setting.ts";
import { ValueFault } from "../value-fault.ts";
import { boolean, choice, integer, type ItemKind } from "../value-kind.ts";

/** An erofs block, of which clusters and chunks are made. */
const BLOCK_BYTES = 4096;
const MIB = 2 ** 20;
/** What a namespace of persistent memory must begin at a multiple of: `SUBSECTION_SIZE` of Linux. */
const PMEM_ALIGNMENT_BYTES = 2 * MIB;

/** A power of two between two sizes, both inclusive. */
function powerOfTwo(leastBytes: number, mostBytes: number): ItemKind<number> {
  const expected = `a power of two from ${formatSize(leastBytes)} to ${formatSize(mostBytes)}`;
  return sizeItem(expected, (bytes) => bytes >= leastBytes && bytes <= mostBytes && Number.isInteger(Math.log2(bytes)));
}

/** A size of whole MiB, at least so many. */
function wholeMiB(least: number): ItemKind<number> {
  return sizeItem(`a size of whole MiB such as 512M, ${least}M at least`, (bytes) => {
    return bytes % MIB === 0 && bytes >= least * MIB;
  });
}

function sizeItem(expected: string, isGood: (bytes: number) => boolean): ItemKind<number> {
  return {
    expected,
    parse(text) {
      const bytes = parseSize(text);
      if (!isGood(bytes)) throw new ValueFault(expected, quoteText(text));
      return bytes;
    },
    format: formatSize,
  };
}

/** A physical address in hexadecimal or as a size. */
const address: ItemKind<number> = {
  expected: "a multiple of 2M such as 0x180000000 or 6G",
  parse(text) {
    const bytes = /^0x[0-9a-fA-F]{1,13}$/.test(text) ? Number(text) : parseSize(text);
    if (bytes <= 0 || bytes % PMEM_ALIGNMENT_BYTES !== 0) throw new ValueFault(this.expected, quoteText(text));
    return bytes;
  },
  format: (value) => `0x${value.toString(16)}`,
};

function formatSize(bytes: number): string {
  const [unit, bytesOfUnit] = Object.entries({ T: 2 ** 40, G: 2 ** 30, M: MIB, K: 2 ** 10 }).find(
    ([, each]) => bytes % each === 0,
  ) ?? ["", 1];
  return `${bytes / bytesOfUnit}${unit}`;
}

/** `[Disk]`, `[InitOverlay]` and `[Pmem]`: how a tree becomes an image of a file system, and where that lies. */
export const DISK_SETTINGS = [
  filling("disk.tree", {
    section: "Disk",
    name: "Tree",
    kind: one(choice(["root", "usr"])),
    default: () => "root",
    formats: ["disk"],
    isOurs: true,
    summary: "What the partition holds: the whole root, or `/usr` alone with a root in memory.",
  }),
  filling("disk.compression", {
    section: "Disk",
    name: "Compression",
    kind: one(choice(["none", "lz4", "lz4hc", "zstd"])),
    default: () => "none",
    formats: VERITY_FORMATS,
    isOurs: true,
    summary: "How the erofs is compressed.",
  }),
  filling("disk.compressionLevel", {
    section: "Disk",
    name: "CompressionLevel",
    kind: one(integer(0, 22)),
    defaultNote: "the compressor's own",
    formats: VERITY_FORMATS,
    isOurs: true,
    summary: "The compressor's level, for lz4hc and zstd.",
  }),
  filling("disk.clusterSizeBytes", {
    section: "Disk",
    name: "ClusterSize",
    kind: one(powerOfTwo(BLOCK_BYTES, MIB)),
    defaultNote: "`64K` where compressed",
    formats: VERITY_FORMATS,
    isOurs: true,
    summary: "The largest piece that is compressed as one, as it lies in the erofs.",
  }),
  filling("disk.chunkSizeBytes", {
    section: "Disk",
    name: "ChunkSize",
    kind: one(powerOfTwo(BLOCK_BYTES, 16 * MIB)),
    formats: VERITY_FORMATS,
    isOurs: true,
    summary: "Files are stored in chunks of this size, equal ones once, where the erofs is not compressed.",
  }),
  filling("disk.verityAlgorithm", {
    section: "Disk",
    name: "VerityAlgorithm",
    kind: one(choice(["sha256", "sha512"])),
    default: () => "sha256",
    formats: VERITY_FORMATS,
    isOurs: true,
    summary: "The hash of the dm-verity tree.",
  }),
  filling("disk.espSizeBytes", {
    section: "Disk",
    name: "EspSize",
    kind: one(wholeMiB(1)),
    defaultNote: "what the UKI needs",
    formats: PARTITIONED_FORMATS,
    isOurs: true,
    summary: "The EFI system partition's size.",
  }),
  filling("disk.dataPartitionBytes", {
    section: "Disk",
    name: "DataPartition",
    kind: one(wholeMiB(64)),
    formats: PARTITIONED_FORMATS,
    isOurs: true,
    summary:
      "The size of an empty partition that becomes the encrypted disk for data at the first boot; see `[Storage]`.",
  }),
  filling("initOverlay.carrier", {
    section: "InitOverlay",
    name: "Carrier",
    kind: one(choice(["initrd", "esp", "partition"])),
    default: () => "initrd",
    formats: ["initoverlay"],
    isOurs: true,
    summary: "Where the erofs travels: inside the initrd, as a file on the EFI system partition, or in a partition.",
  }),
  filling("initOverlay.loadIntoRam", {
    section: "InitOverlay",
    name: "LoadIntoRam",
    kind: one(boolean),
    default: () => false,
    formats: ["initoverlay"],
    isOurs: true,
    summary: "Whether the erofs is copied into memory before it is mounted, so that its disk may go away.",
  }),
  filling("pmem.addressBytes", {
    section: "Pmem",
    name: "Address",
    kind: one(address),
    defaultNote: "computed from the image's size",
    formats: ["pmem"],
    isOurs: true,
    summary: "The physical address that the boot loader places the erofs at.",
  }),
] as const;
