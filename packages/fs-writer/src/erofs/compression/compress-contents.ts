import { alignUp } from "@cvm-build/bytes";
import { EROFS_BLOCK_BYTES } from "../format.ts";
import type { Content } from "../../tree.ts";
import { WorkerPool } from "../../workers/worker-pool.ts";
import type { CompressedExtent } from "./cluster-map.ts";
import {
  type CompressedItem,
  type CompressItem,
  type CompressRequest,
  type CompressTaskResult,
  RANGE_BYTES,
  TaskCompressor,
} from "./compress-task.ts";
import { COMPRESSOR_HEAP_MB, type ErofsCompression, erofsCompressionSettings } from "./settings.ts";

/** How contents are compressed. */
export interface CompressContentsOptions {
  compression: ErofsCompression;
  threads: number;
  /** Threads that answer a `CompressRequest` with a `TaskCompressor`; without it some are started, and ended. */
  pool?: WorkerPool | undefined;
  signal?: AbortSignal;
}

/** A part of a content, ready to be written: parts come in the order of contents and, for one content, of offsets. */
export interface CompressedPart {
  /** Which of `contents` it is of. */
  index: number;
  /**
   * `clusters`: `data` are the blocks of `extents`, whole ones. `stored`: the content would not shrink; `data` is all of
   * it as it is, to be written like a file of an uncompressed image.
   */
  kind: "clusters" | "stored";
  /** Good until the next part is asked for. */
  data: Uint8Array;
  extents: CompressedExtent[];
  /** Whether it is the last part of its content. */
  isLast: boolean;
}

const COMPRESS_WORKER = new URL("./compress-worker.ts", import.meta.url);
/** Up to here everything is compressed in this thread: starting others would take longer. */
const LITTLE_BYTES = 2 << 20;
/** Contents share a task as long as they are no more than this. */
const BATCH_BYTES = 2 << 20;
/** How many tasks a thread may be ahead of the part that is asked for. */
const TASKS_A_THREAD = 2;

interface NumberedItem extends CompressItem {
  /** Which content it is of. */
  index: number;
}

/** Items to compress, or a large content whose digest is still to be compared. */
type Step = { items: NumberedItem[] } | { verify: Content };

/**
 * Compresses contents in threads and yields their parts in order, with a bounded number in flight. Bytes depend on
 * contents, settings and, for zstd, the library's version alone.
 * @throws CvmError `compression` for settings that do not exist; FormatError where a file's content is no longer what its
 * digest says, before that content's last part
 */
export async function* compressContents(
  contents: readonly Content[],
  { compression, threads, signal, ...options }: CompressContentsOptions,
): AsyncGenerator<CompressedPart> {
  const settings = erofsCompressionSettings(compression);
  const isLittle = contents.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) <= LITTLE_BYTES;
  await using ownPool = new WorkerPool({ module: COMPRESS_WORKER, size: threads, maxHeapMb: COMPRESSOR_HEAP_MB });
  const pool = options.pool ?? ownPool;
  const ownCompressor = new TaskCompressor();
  const spare: ArrayBuffer[] = [];
  const run = async (step: Step): Promise<CompressTaskResult> => {
    if (!("items" in step)) return isLittle ? ownCompressor.answer(step) : pool.run(step);
    const output = spare.pop() ?? new ArrayBuffer(RANGE_BYTES);
    const request: CompressRequest = { settings, items: step.items, output };
    return isLittle ? ownCompressor.answer(request) : pool.run(request, [output]);
  };
  const steps = stepsOf(contents);
  const inFlight: { step: Step; result: Promise<CompressTaskResult> }[] = [];
  for (;;) {
    for (let ahead = inFlight.length; ahead < (isLittle ? 1 : pool.size * TASKS_A_THREAD); ahead++) {
      const next = steps.next();
      if (next.done) break;
      const result = run(next.value);
      // A failure counts when its turn comes.
      result.catch(() => {});
      inFlight.push({ step: next.value, result });
    }
    const first = inFlight.shift();
    if (!first) return;
    signal?.throwIfAborted();
    const result = await first.result;
    if (!("items" in first.step)) continue;
    yield* partsOf(first.step.items, result);
    spare.push(result.data);
  }
}

function* partsOf(items: readonly NumberedItem[], result: CompressTaskResult): Generator<CompressedPart> {
  for (const [order, { index, content, offsetBytes, sizeBytes }] of items.entries()) {
    const { kind, extents, dataOffsetBytes, dataSizeBytes } = result.items[order] as CompressedItem;
    const data = new Uint8Array(result.data, dataOffsetBytes, dataSizeBytes);
    yield { index, kind, data, extents, isLast: offsetBytes + sizeBytes === content.sizeBytes };
  }
}

/** Cuts the work: small contents together, large ones in ranges that are always the same, their digest before the end. */
function* stepsOf(contents: readonly Content[]): Generator<Step> {
  let items: NumberedItem[] = [];
  let batchBytes = 0;
  for (const [index, content] of contents.entries()) {
    const { sizeBytes } = content;
    const occupiedBytes = alignUp(sizeBytes, EROFS_BLOCK_BYTES);
    if (items.length > 0 && batchBytes + occupiedBytes > BATCH_BYTES) {
      yield { items };
      [items, batchBytes] = [[], 0];
    }
    if (sizeBytes <= RANGE_BYTES) {
      items.push({ index, content, offsetBytes: 0, sizeBytes });
      batchBytes += occupiedBytes;
      continue;
    }
    for (let offsetBytes = 0; offsetBytes < sizeBytes; offsetBytes += RANGE_BYTES) {
      const leftBytes = sizeBytes - offsetBytes;
      if (leftBytes <= RANGE_BYTES) yield { verify: content };
      yield { items: [{ index, content, offsetBytes, sizeBytes: Math.min(leftBytes, RANGE_BYTES) }] };
    }
  }
  if (items.length > 0) yield { items };
}
