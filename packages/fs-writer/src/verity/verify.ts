import { bytesSource, type ByteSource, DIGEST_SIZE_BYTES, FormatError } from "@cvm-build/bytes";
import type { VerityAlgorithm } from "./format.ts";
import { blockDigests } from "./hash-range.ts";
import { hashTreeBytes, layOutHashTree } from "./hash-tree.ts";
import { readVerity, type Verity } from "./reader.ts";

/** What is compared with what. */
export interface VerifyVerityOptions {
  /** Lower-case hex, from whoever is trusted. */
  rootHash: string;
  /** What the superblock would say; that of the hash device unless given. */
  verity?: Verity;
}

/**
 * Compares data with its hash tree and that with the root hash, from the root down, as the kernel would on reading all of
 * it. Memory does not grow with the data.
 * @param devices data, of which there may be more than is protected, and hash device from its superblock on
 * @throws FormatError that names the first block that does not match, of the hash tree or of the data
 * @see Linux Documentation/admin-guide/device-mapper/verity.rst
 */
export function verifyVerity(devices: { data: ByteSource; hash: ByteSource }, options: VerifyVerityOptions): void {
  const { data, hash } = devices;
  const verity = options.verity ?? readVerity(hash);
  const { algorithm, dataBlocks, dataBlockBytes, hashBlockBytes, hashOffsetBytes } = verity;
  const dataBytes = dataBlocks * dataBlockBytes;
  if (dataBytes > data.sizeBytes) throw tooShort("verity data", dataBytes, data.sizeBytes);
  const levels = layOutHashTree({ algorithm, dataBlocks, hashBlockBytes, treeOffsetBytes: hashOffsetBytes });
  const hashEnd = hashOffsetBytes + hashTreeBytes(levels, hashBlockBytes);
  if (hashEnd > hash.sizeBytes) throw tooShort("verity hash tree", hashEnd, hash.sizeBytes);

  const stages: Stage[] = [
    { source: data, record: "verity data", offsetBytes: 0, sizeBytes: dataBytes, blockBytes: dataBlockBytes },
    ...levels.map(({ offsetBytes, blocks }, index) => ({
      source: hash,
      record: `verity hash level ${index}`,
      offsetBytes,
      sizeBytes: blocks * hashBlockBytes,
      blockBytes: hashBlockBytes,
    })),
  ];
  let digests: Digests = { source: rootSource(options.rootHash, algorithm), offsetBytes: 0 };
  for (const stage of stages.toReversed()) {
    compareBlocks(stage, { verity, digests });
    digests = stage;
  }
}

/** Where digests are that blocks ought to have. */
interface Digests {
  source: ByteSource;
  offsetBytes: number;
}

/** Blocks that are compared, and that then hold the digests of the stage below. */
interface Stage extends Digests {
  record: string;
  sizeBytes: number;
  blockBytes: number;
}

function compareBlocks(stage: Stage, { verity, digests }: { verity: Verity; digests: Digests }): void {
  const digestBytes = DIGEST_SIZE_BYTES[verity.algorithm];
  let block = 0;
  for (const found of blockDigests(stage.source, { ...stage, hashing: verity })) {
    const expected = digests.source.read(digests.offsetBytes + block * digestBytes, found.length);
    if (!found.equals(expected)) {
      const bad = block + firstDifference(found, expected, digestBytes);
      const offsetBytes = stage.offsetBytes + bad * stage.blockBytes;
      throw new FormatError(
        { record: `${stage.record}, block ${bad}`, offsetBytes },
        "expected the digest that the hash tree has",
        { details: { block: bad } },
      );
    }
    block += found.length / digestBytes;
  }
}

function firstDifference(found: Buffer, expected: Buffer, digestBytes: number): number {
  for (let at = 0; at < found.length; at += digestBytes) {
    if (!found.subarray(at, at + digestBytes).equals(expected.subarray(at, at + digestBytes))) return at / digestBytes;
  }
  return 0;
}

function rootSource(rootHash: string, algorithm: VerityAlgorithm): ByteSource {
  const digits = 2 * DIGEST_SIZE_BYTES[algorithm];
  if (rootHash.length !== digits || !/^[0-9a-f]+$/.test(rootHash)) {
    throw new FormatError({ record: "verity root hash" }, `expected ${digits} hexadecimal digits in lower case`);
  }
  return bytesSource(Buffer.from(rootHash, "hex"));
}

function tooShort(record: string, expectedBytes: number, gotBytes: number): FormatError {
  return new FormatError({ record }, `expected at least ${expectedBytes} bytes, got ${gotBytes}`);
}
