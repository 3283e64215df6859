import { type ByteSource, decodeUuid, FormatError, type Guid, sliceSource } from "@cvm-build/bytes";
import { decodeArchiveText } from "../../archive-text.ts";
import { windowSource } from "../../window-source.ts";
import { crc32cRegister } from "../crc32c.ts";
import type { ErofsAlgorithm } from "../decompression/decode-cluster.ts";
import {
  EROFS_COMPAT,
  EROFS_COMPRESSION_ALGORITHMS,
  EROFS_INCOMPAT,
  EROFS_MAGIC,
  EROFS_SUPER_OFFSET,
  ErofsSuperblock,
} from "../format.ts";
import { safeNumber } from "./safe-number.ts";

const MIN_BLOCK_BITS = 9;
const MAX_BLOCK_BITS = 16;
/** Without configurations of algorithms there is only the first that erofs had. */
const OLDEST_ALGORITHMS = 1 << EROFS_COMPRESSION_ALGORITHMS.lz4;
const KNOWN_ALGORITHMS = Object.values(EROFS_COMPRESSION_ALGORITHMS).reduce<number>(
  (bits, number) => bits | (1 << number),
  0,
);
const UNSUPPORTED = EROFS_INCOMPAT.addresses48Bit | EROFS_INCOMPAT.metabox;
const KNOWN_FEATURES = Object.values(EROFS_INCOMPAT).reduce<number>((bits, bit) => bits | bit, 0);

/** What the superblock says of an image. */
export interface ErofsFacts {
  uuid: Guid;
  label: string;
  blockBytes: number;
  blockCount: number;
  /** As the image says; nothing depends on it. */
  inodeCount: bigint;
  /** Names of what it uses, as `EROFS_COMPAT` and `EROFS_INCOMPAT` have them. */
  features: string[];
  /** What its files may be compressed with. */
  algorithms: ErofsAlgorithm[];
  /** The time of files without one of their own. */
  epochSec: number;
  buildTimeSec: number;
  /** Images without a checksum are read too; one that is wrong is an error. */
  hasChecksum: boolean;
}

/** What reading of inodes, attributes and data depends on. */
export interface ErofsVolume {
  /** The blocks of the image, for inodes and what follows them; small reads close to each other are cheap. */
  source: ByteSource;
  /** The same, for contents, so that neither gets in the way of the other. */
  data: ByteSource;
  blockBytes: number;
  blockBits: number;
  rootNid: number;
  /** The inode with parts of many files, where there is one. */
  packedNid: number | undefined;
  /** Where the slots of inodes begin. */
  metaOffsetBytes: number;
  /** Where shared attributes begin. */
  xattrOffsetBytes: number;
  prefixes: { count: number; offsetBytes: number; isInPackedInode: boolean };
  epoch: { sec: number; nsec: number };
  algorithms: ReadonlySet<ErofsAlgorithm>;
  /** Whether there are zeros before compressed data rather than after it. */
  hasZeroPadding: boolean;
}

/**
 * Reads and checks the superblock.
 * @throws FormatError where it is damaged, or asks for what is not supported here
 * @see Linux, fs/erofs/super.c, erofs_read_superblock
 */
export function readSuperblock(source: ByteSource): { facts: ErofsFacts; volume: ErofsVolume } {
  const superblock = ErofsSuperblock.decode(source.read(EROFS_SUPER_OFFSET, ErofsSuperblock.sizeBytes));
  if (superblock.magic !== EROFS_MAGIC) throw refused("magic", hexOf(EROFS_MAGIC), hexOf(superblock.magic));
  const { blockBits } = superblock;
  if (blockBits < MIN_BLOCK_BITS || blockBits > MAX_BLOCK_BITS) {
    throw refused("blockBits", `${MIN_BLOCK_BITS} to ${MAX_BLOCK_BITS}`, blockBits);
  }
  const blockBytes = 2 ** blockBits;
  checkFeatures(superblock);
  if (superblock.blockCount * blockBytes > source.sizeBytes) {
    throw refused("blockCount", `at most ${Math.floor(source.sizeBytes / blockBytes)}`, superblock.blockCount);
  }
  const hasChecksum = isSet(superblock.featureCompat, EROFS_COMPAT.superblockChecksum);
  if (hasChecksum) verifyChecksum(source, { blockBytes, expected: superblock.checksum });
  const algorithms = algorithmsOf(superblock);
  const blocks = sliceSource(source, 0, superblock.blockCount * blockBytes);
  const epochSec = safeNumber(BigInt.asIntN(64, superblock.epochSec), { record: "ErofsSuperblock", field: "epochSec" });
  return {
    facts: {
      uuid: decodeUuid(superblock.uuid),
      label: labelOf(superblock),
      blockBytes,
      blockCount: superblock.blockCount,
      inodeCount: superblock.inodeCount,
      features: featuresOf(superblock),
      algorithms: mayCompress(superblock) ? algorithms : [],
      epochSec,
      buildTimeSec: epochSec + superblock.buildTimeSec,
      hasChecksum,
    },
    volume: {
      source: windowSource(blocks),
      data: windowSource(blocks),
      blockBytes,
      blockBits,
      rootNid: superblock.rootNid,
      packedNid: packedNidOf(superblock),
      metaOffsetBytes: superblock.metaBlock * blockBytes,
      xattrOffsetBytes: superblock.xattrBlock * blockBytes,
      prefixes: prefixesOf(superblock),
      epoch: { sec: epochSec, nsec: superblock.epochNsec },
      algorithms: new Set(algorithms),
      hasZeroPadding: isSet(superblock.featureIncompat, EROFS_INCOMPAT.zeroPadding),
    },
  };
}

function isSet(features: number, feature: number): boolean {
  return (features & feature) !== 0;
}

function checkFeatures({ featureIncompat, extraDevices, dirBlockBits }: ErofsSuperblock): void {
  const unknown = featureIncompat & (~KNOWN_FEATURES | UNSUPPORTED);
  if (unknown !== 0) {
    const shown = [...namesOf(unknown & UNSUPPORTED, EROFS_INCOMPAT), hexOf(unknown >>> 0)].join(" ");
    throw refused("featureIncompat", "features that are known here", shown);
  }
  if (extraDevices !== 0) throw refused("extraDevices", "an image that holds all of its data", extraDevices);
  if (dirBlockBits !== 0) throw refused("dirBlockBits", "0", dirBlockBits);
}

function verifyChecksum(source: ByteSource, { blockBytes, expected }: { blockBytes: number; expected: number }): void {
  const sizeBytes = blockBytes > EROFS_SUPER_OFFSET ? blockBytes - EROFS_SUPER_OFFSET : blockBytes;
  const bytes = Buffer.from(source.read(EROFS_SUPER_OFFSET, sizeBytes));
  bytes.writeUInt32LE(0, ErofsSuperblock.offsetOf("checksum"));
  const found = crc32cRegister(bytes);
  if (found !== expected) throw refused("checksum", hexOf(found), hexOf(expected));
}

function algorithmsOf({ featureIncompat, comprAlgsOrLz4MaxDistance }: ErofsSuperblock): ErofsAlgorithm[] {
  const hasConfigurations = isSet(featureIncompat, EROFS_INCOMPAT.comprCfgs);
  const bits = hasConfigurations ? comprAlgsOrLz4MaxDistance : OLDEST_ALGORITHMS;
  if ((bits & ~KNOWN_ALGORITHMS) !== 0) throw refused("comprAlgsOrLz4MaxDistance", "algorithms that are known", bits);
  const names = Object.keys(EROFS_COMPRESSION_ALGORITHMS) as ErofsAlgorithm[];
  return names.filter((name) => isSet(bits, 1 << EROFS_COMPRESSION_ALGORITHMS[name]));
}

/** The oldest writers say nothing in images that they compressed either, so that this decides nothing. */
function mayCompress({ featureIncompat, comprAlgsOrLz4MaxDistance }: ErofsSuperblock): boolean {
  return isSet(featureIncompat, EROFS_INCOMPAT.zeroPadding) || comprAlgsOrLz4MaxDistance !== 0;
}

/** Where a bit has two names, its use tells which is meant; devices are not supported, so that bit has but one. */
function featuresOf({ featureCompat, featureIncompat, packedNid }: ErofsSuperblock): string[] {
  const absent = new Set(["deviceTable", packedNid === 0n ? "fragments" : "dedupe"]);
  const incompatible = namesOf(featureIncompat, EROFS_INCOMPAT).filter((name) => !absent.has(name));
  return [...namesOf(featureCompat, EROFS_COMPAT), ...incompatible];
}

function namesOf(features: number, names: Readonly<Record<string, number>>): string[] {
  return Object.keys(names).filter((name) => isSet(features, names[name] ?? 0));
}

function labelOf({ volumeName }: ErofsSuperblock): string {
  const end = volumeName.indexOf(0);
  const bytes = end < 0 ? volumeName : volumeName.subarray(0, end);
  return decodeArchiveText(bytes, { record: "ErofsSuperblock", field: "volumeName" });
}

function packedNidOf({ featureIncompat, packedNid }: ErofsSuperblock): number | undefined {
  if (!isSet(featureIncompat, EROFS_INCOMPAT.fragments) || packedNid === 0n) return undefined;
  return safeNumber(packedNid, { record: "ErofsSuperblock", field: "packedNid" });
}

function prefixesOf(superblock: ErofsSuperblock): ErofsVolume["prefixes"] {
  const isPlain = isSet(superblock.featureCompat, EROFS_COMPAT.plainXattrPrefixes);
  return {
    count: isSet(superblock.featureIncompat, EROFS_INCOMPAT.xattrPrefixes) ? superblock.xattrPrefixCount : 0,
    offsetBytes: superblock.xattrPrefixStart * 4,
    isInPackedInode: !isPlain && packedNidOf(superblock) !== undefined,
  };
}

function hexOf(value: number): string {
  return `0x${value.toString(16)}`;
}

function refused(field: keyof ErofsSuperblock, expected: string, got: number | string): FormatError {
  const offsetBytes = EROFS_SUPER_OFFSET + ErofsSuperblock.offsetOf(field);
  return new FormatError({ record: "ErofsSuperblock", field, offsetBytes }, `expected ${expected}, got ${got}`);
}
