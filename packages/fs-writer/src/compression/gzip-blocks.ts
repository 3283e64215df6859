import { constants, crc32, deflateRawSync } from "node:zlib";
import { WorkerPool } from "../workers/worker-pool.ts";
import { inBlocks } from "./compress.ts";

/** A piece to be compressed on its own. */
export interface DeflateTask {
  bytes: Uint8Array;
  level: number;
}

const GZIP_WORKER = new URL("./gzip-worker.ts", import.meta.url);
/** Magic, deflate, no flags, no time, no hints, made on Unix. @see RFC 1952, 2.3 */
const HEADER = Buffer.from("1f8b0800000000000003", "hex");
/** A last block with nothing in it. @see RFC 1951, 3.2.6 */
const LAST_BLOCK = Buffer.from("0300", "hex");
/** How much of a piece tells whether it is worth compressing, twice, and the part of it that has to be gained. */
const SAMPLE_BYTES = 1 << 15;
const MIN_GAIN = 50;
/** Pieces that wait beside those that are worked on. */
const PIECES_AHEAD = 2;

/**
 * Compresses chunks as one gzip member whose pieces of 1 MiB are compressed on their own, in threads. The bytes depend
 * neither on the number of threads nor on how the input is cut, only on the level and on zlib.
 */
export async function* gzipBlocks(
  chunks: Iterable<Buffer>,
  { level, threads }: { level: number; threads: number },
): AsyncGenerator<Buffer> {
  await using pool = threads > 1 ? new WorkerPool({ module: GZIP_WORKER, size: threads }) : null;
  const pending: Promise<Uint8Array>[] = [];
  let checksum = 0;
  let sizeBytes = 0;
  yield Buffer.from(HEADER);
  for (const bytes of inBlocks(chunks)) {
    checksum = crc32(bytes, checksum);
    sizeBytes += bytes.length;
    const task: DeflateTask = { bytes, level };
    const piece = pool
      ? pool.run<DeflateTask, Uint8Array>(task, [bytes.buffer as ArrayBuffer])
      : Promise.resolve(deflatePiece(task));
    // One that fails while another is waited for is found when it is its turn.
    piece.catch(() => undefined);
    pending.push(piece);
    if (pending.length >= threads + PIECES_AHEAD) yield asBuffer(await pending.shift()!);
  }
  for (const piece of pending) yield asBuffer(await piece);
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(checksum, 0);
  trailer.writeUInt32LE(sizeBytes % 2 ** 32, 4);
  yield Buffer.concat([LAST_BLOCK, trailer]);
}

/** Deflates a piece so that others can follow it; what is compressed already is stored, which takes no time. */
export function deflatePiece({ bytes, level }: DeflateTask): Buffer {
  const deflate = (part: Uint8Array, withLevel: number): Buffer =>
    deflateRawSync(part, { level: withLevel, finishFlush: constants.Z_SYNC_FLUSH });
  const samples = [0, bytes.length / 2].map((at) => bytes.subarray(at, at + SAMPLE_BYTES));
  const gained = samples.map((sample) => sample.length - deflate(sample, level).length);
  const isDense = samples.every((sample, index) => (gained[index] ?? 0) < sample.length / MIN_GAIN);
  return deflate(bytes, isDense ? 0 : level);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
