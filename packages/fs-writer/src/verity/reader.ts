import { type ByteSource, FormatError, type Guid } from "@cvm-build/bytes";
import {
  MAX_SALT_BYTES,
  VERITY_ALGORITHMS,
  type VerityAlgorithm,
  VERITY_BLOCK_RANGE,
  type VerityFormatVersion,
  VERITY_SIGNATURE,
  VERITY_SUPERBLOCK_VERSION,
  VeritySuperblock,
} from "./format.ts";

/** A hash device, as its superblock describes it. */
export interface Verity {
  formatVersion: VerityFormatVersion;
  algorithm: VerityAlgorithm;
  salt: Buffer;
  uuid: Guid;
  dataBlocks: number;
  dataBlockBytes: number;
  hashBlockBytes: number;
  /** Where the hash tree begins, from the start of the source. */
  hashOffsetBytes: number;
}

/** Says whether a source begins with a superblock. */
export function isVerity(source: ByteSource): boolean {
  const { length } = VERITY_SIGNATURE;
  return source.sizeBytes >= length && source.read(0, length).equals(VERITY_SIGNATURE);
}

/**
 * Reads the superblock at the start of a hash device.
 * @throws FormatError
 * @see cryptsetup wiki, "DMVerity", "Verity superblock format"
 */
export function readVerity(source: ByteSource): Verity {
  const block = VeritySuperblock.decode(source.read(0, Math.min(source.sizeBytes, VeritySuperblock.sizeBytes)));
  const refuse = (field: keyof VeritySuperblock & string, expectation: string) =>
    new FormatError({ record: "VeritySuperblock", field, offsetBytes: VeritySuperblock.offsetOf(field) }, expectation);
  if (!block.signature.equals(VERITY_SIGNATURE)) throw refuse("signature", 'expected "verity" and two NULs');
  if (block.version !== VERITY_SUPERBLOCK_VERSION) throw refuse("version", `expected 1, got ${block.version}`);
  if (block.hashType !== 0 && block.hashType !== 1) throw refuse("hashType", `expected 0 or 1, got ${block.hashType}`);
  const algorithm = VERITY_ALGORITHMS.find((name) => name === block.algorithm);
  if (!algorithm) {
    throw refuse("algorithm", `expected ${VERITY_ALGORITHMS.join(" or ")}, got ${JSON.stringify(block.algorithm)}`);
  }
  for (const field of ["dataBlockBytes", "hashBlockBytes"] as const) {
    if (!isBlockSize(block[field])) throw refuse(field, `expected a power of two from 512 on, got ${block[field]}`);
  }
  if (block.saltBytes > MAX_SALT_BYTES) {
    throw refuse("saltBytes", `expected at most ${MAX_SALT_BYTES}, got ${block.saltBytes}`);
  }
  const dataBytes = block.dataBlocks * BigInt(block.dataBlockBytes);
  if (dataBytes === 0n || dataBytes > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw refuse("dataBlocks", `expected 1 block or more, in at most 2^53 bytes, got ${block.dataBlocks}`);
  }
  return {
    formatVersion: block.hashType,
    algorithm,
    salt: block.salt.subarray(0, block.saltBytes),
    uuid: block.uuid,
    dataBlocks: Number(block.dataBlocks),
    dataBlockBytes: block.dataBlockBytes,
    hashBlockBytes: block.hashBlockBytes,
    hashOffsetBytes: Math.max(block.hashBlockBytes, VeritySuperblock.sizeBytes),
  };
}

function isBlockSize(sizeBytes: number): boolean {
  return (
    sizeBytes >= VERITY_BLOCK_RANGE.min && sizeBytes <= VERITY_BLOCK_RANGE.max && Number.isInteger(Math.log2(sizeBytes))
  );
}
