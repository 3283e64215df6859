import { closeSync, ftruncateSync, openSync, statSync } from "node:fs";
import { CvmError, DIGEST_SIZE_BYTES, type Guid, writeFully } from "@cvm-build/bytes";
import type { FsWriterErrorCode } from "../errors.ts";
import { WorkerPool } from "../workers/worker-pool.ts";
import {
  MAX_SALT_BYTES,
  VERITY_BLOCK_BYTES,
  VERITY_SIGNATURE,
  VERITY_SUPERBLOCK_VERSION,
  VeritySuperblock,
} from "./format.ts";
import { hashRange, type HashRangeTask } from "./hash-range.ts";
import { type BlockHashing, type HashLevel, hashTreeBytes, layOutHashTree } from "./hash-tree.ts";

/** How data is protected, and where its hashes go. */
export interface VerityOptions extends BlockHashing {
  /** Path of the hash device's image. */
  output: string;
  /** Of the superblock. */
  uuid: Guid;
  /** Default: true. Without one, whoever sets the device up has to know everything that it would say. */
  hasSuperblock?: boolean;
  /** How many threads hash. Default: this one. */
  threads?: number;
}

/** A written hash device, and what the kernel needs to use it. */
export interface WrittenVerity {
  /** Lower-case hex. */
  rootHash: string;
  dataBlocks: number;
  /** Where the hash tree begins, behind the superblock if there is one. */
  hashOffsetBytes: number;
  /** Of the hash device. */
  sizeBytes: number;
}

/** The module that hashes blocks, for a `WorkerPool`. */
const VERITY_WORKER = new URL("./verity-worker.ts", import.meta.url);
/** What one thread hashes at a time; its digests fill whole blocks. */
const TASK_BYTES = 1 << 25;

/**
 * Writes the dm-verity hash tree of a file, in blocks of 4096 bytes. Memory does not grow with the file, and the bytes do
 * not depend on the number of threads.
 * @throws CvmError `verity` where the file is empty or no whole number of blocks, or the salt is too long
 * @see Linux Documentation/admin-guide/device-mapper/verity.rst; cryptsetup wiki, "DMVerity"
 */
export async function writeVerity(data: { path: string }, options: VerityOptions): Promise<WrittenVerity> {
  const { algorithm, hasSuperblock = true, output, threads = 1 } = options;
  const dataBytes = statSync(data.path).size;
  checkInput(data.path, dataBytes, options.salt);
  const dataBlocks = dataBytes / VERITY_BLOCK_BYTES;
  const hashOffsetBytes = hasSuperblock ? VERITY_BLOCK_BYTES : 0;
  const shape = { algorithm, dataBlocks, hashBlockBytes: VERITY_BLOCK_BYTES, treeOffsetBytes: hashOffsetBytes };
  const levels = layOutHashTree(shape);
  const sizeBytes = hashOffsetBytes + hashTreeBytes(levels, VERITY_BLOCK_BYTES);
  const pool = threads > 1 && dataBytes > TASK_BYTES ? new WorkerPool({ module: VERITY_WORKER, size: threads }) : null;
  const file = openSync(output, "w", 0o644);
  try {
    ftruncateSync(file, sizeBytes);
    if (hasSuperblock) writeFully(file, encodeSuperblock(dataBlocks, options), 0);
    let below = { path: data.path, offsetBytes: 0, sizeBytes: dataBytes };
    for (const level of levels) {
      await writeLevel(level, { below, file, hashing: options, pool });
      below = { path: output, offsetBytes: level.offsetBytes, sizeBytes: level.blocks * VERITY_BLOCK_BYTES };
    }
    const root = hashRange({ ...below, blockBytes: VERITY_BLOCK_BYTES, hashing: options });
    return { rootHash: root.toString("hex"), dataBlocks, hashOffsetBytes, sizeBytes };
  } finally {
    closeSync(file);
    await pool?.[Symbol.asyncDispose]();
  }
}

function checkInput(path: string, sizeBytes: number, salt: Uint8Array): void {
  const refuse = (what: string) =>
    new CvmError<FsWriterErrorCode>("verity", `cannot protect "${path}" with dm-verity: expected ${what}`);
  if (sizeBytes === 0 || sizeBytes % VERITY_BLOCK_BYTES !== 0) {
    throw refuse(`one or more blocks of ${VERITY_BLOCK_BYTES} bytes, got ${sizeBytes} bytes`);
  }
  if (salt.length > MAX_SALT_BYTES) throw refuse(`a salt of at most ${MAX_SALT_BYTES} bytes, got ${salt.length}`);
}

function encodeSuperblock(dataBlocks: number, { algorithm, formatVersion, salt, uuid }: VerityOptions): Buffer {
  const padded = Buffer.alloc(MAX_SALT_BYTES);
  padded.set(salt);
  return VeritySuperblock.encode({
    signature: VERITY_SIGNATURE,
    version: VERITY_SUPERBLOCK_VERSION,
    hashType: formatVersion,
    uuid,
    algorithm,
    dataBlockBytes: VERITY_BLOCK_BYTES,
    hashBlockBytes: VERITY_BLOCK_BYTES,
    dataBlocks: BigInt(dataBlocks),
    saltBytes: salt.length,
    reserved: Buffer.alloc(6),
    salt: padded,
    padding: Buffer.alloc(168),
  });
}

/** Writes one level, as many ranges of the one below at a time as there are threads. */
async function writeLevel(
  level: HashLevel,
  options: {
    below: Pick<HashRangeTask, "path" | "offsetBytes" | "sizeBytes">;
    file: number;
    hashing: BlockHashing;
    pool: WorkerPool | null;
  },
): Promise<void> {
  const { below, file, pool } = options;
  const { algorithm, formatVersion, salt } = options.hashing;
  const digestsBytes = (TASK_BYTES / VERITY_BLOCK_BYTES) * DIGEST_SIZE_BYTES[algorithm];
  let next = 0;
  const hashNext = async (): Promise<void> => {
    for (let index = next++; index * TASK_BYTES < below.sizeBytes; index = next++) {
      const task: HashRangeTask = {
        path: below.path,
        offsetBytes: below.offsetBytes + index * TASK_BYTES,
        sizeBytes: Math.min(TASK_BYTES, below.sizeBytes - index * TASK_BYTES),
        blockBytes: VERITY_BLOCK_BYTES,
        hashing: { algorithm, formatVersion, salt },
      };
      const digests = pool ? await pool.run<HashRangeTask, Uint8Array>(task) : hashRange(task);
      writeFully(file, digests, level.offsetBytes + index * digestsBytes);
    }
  };
  await Promise.all(Array.from({ length: pool?.size ?? 1 }, hashNext));
}
