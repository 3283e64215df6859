import { CvmError, encodeUuid } from "@cvm-build/bytes";
import { compressionRecords, type ErofsCompressionSettings } from "../compression/settings.ts";
import { crc32cRegister } from "../crc32c.ts";
import {
  EROFS_BLOCK_BITS,
  EROFS_BLOCK_BYTES,
  EROFS_COMPAT,
  EROFS_INCOMPAT,
  EROFS_MAGIC,
  EROFS_SUPER_OFFSET,
  ErofsSuperblock,
} from "../format.ts";

const LABEL_BYTES = 16;

/** What a superblock tells of an image. */
export interface SuperblockFacts {
  uuid: string;
  label: string;
  rootNid: number;
  inodeCount: number;
  epochSec: number;
  blockCount: number;
  metaBlock: number;
  xattrBlock: number;
  isChunked: boolean;
  compression: ErofsCompressionSettings | undefined;
}

/** The first block of an image, with its superblock, configurations of compression and the checksum. */
export function encodeFirstBlock(facts: SuperblockFacts): Buffer {
  const compression = facts.compression && compressionRecords(facts.compression);
  const volumeName = Buffer.alloc(LABEL_BYTES);
  volumeName.write(facts.label);
  const superblock: ErofsSuperblock = {
    magic: EROFS_MAGIC,
    checksum: 0,
    featureCompat: EROFS_COMPAT.superblockChecksum | EROFS_COMPAT.mtime,
    blockBits: EROFS_BLOCK_BITS,
    extSlots: 0,
    rootNid: facts.rootNid,
    inodeCount: BigInt(facts.inodeCount),
    epochSec: BigInt(facts.epochSec),
    epochNsec: 0,
    blockCount: facts.blockCount,
    metaBlock: facts.metaBlock,
    xattrBlock: facts.xattrBlock,
    uuid: encodeUuid(facts.uuid),
    volumeName,
    featureIncompat: (compression?.featureIncompat ?? 0) | (facts.isChunked ? EROFS_INCOMPAT.chunkedFile : 0),
    comprAlgsOrLz4MaxDistance: compression?.algorithms ?? 0,
    ...{ extraDevices: 0, deviceTableSlot: 0, dirBlockBits: 0, xattrPrefixCount: 0, xattrPrefixStart: 0 },
    ...{ packedNid: 0n, xattrFilterReserved: 0, ishareXattrPrefixId: 0, buildTimeSec: 0 },
    reserved: Buffer.alloc(2),
    reserved2: Buffer.alloc(16),
  };
  const block = Buffer.alloc(EROFS_BLOCK_BYTES);
  ErofsSuperblock.encode(superblock).copy(block, EROFS_SUPER_OFFSET);
  compression?.configurations.copy(block, EROFS_SUPER_OFFSET + ErofsSuperblock.sizeBytes);
  const checksum = crc32cRegister(block.subarray(EROFS_SUPER_OFFSET));
  block.writeUInt32LE(checksum, EROFS_SUPER_OFFSET + ErofsSuperblock.offsetOf("checksum"));
  return block;
}

/**
 * Checks a volume's label.
 * @throws CvmError `archive` where it is longer than superblocks hold
 */
export function checkLabel(label: string): void {
  const sizeBytes = Buffer.byteLength(label);
  if (sizeBytes <= LABEL_BYTES && !label.includes("\0")) return;
  const expected = `at most ${LABEL_BYTES} bytes without NUL`;
  throw new CvmError("archive", `cannot label an erofs volume "${label}": expected ${expected}, got ${sizeBytes}`);
}
