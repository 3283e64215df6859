import type { Sha256Hex } from "@cvm-build/bytes";
import { WorkerPool } from "../../workers/worker-pool.ts";
import { copyPieces, type CopyTask } from "./copy.ts";
import { hashChunks, type HashChunksTask } from "./hash-chunks.ts";
import { transferOf } from "./piece.ts";

/** Work on an image that other threads can do. */
export type ImageTask = CopyTask | HashChunksTask;
/** Digests of chunks a content; none for what is copied. */
export type ImageTaskResult = Sha256Hex[][];

/** How tasks are run. */
export interface RunTasksOptions {
  pool: WorkerPool | undefined;
  signal?: AbortSignal;
}

const IMAGE_WORKER = new URL("./worker.ts", import.meta.url);
/** Up to here one thread does all: starting others would take longer. */
const LITTLE_BYTES = 16 << 20;

/** Threads for `sizeBytes` of contents; none where they would not pay. */
export function imagePool({ threads, sizeBytes }: { threads: number; sizeBytes: number }): WorkerPool | undefined {
  const isOneEnough = threads <= 1 || sizeBytes <= LITTLE_BYTES;
  return isOneEnough ? undefined : new WorkerPool({ module: IMAGE_WORKER, size: threads });
}

/** Does a task, in whichever thread. */
export function runTask(task: ImageTask): ImageTaskResult {
  if (task.kind === "chunks") return hashChunks(task);
  copyPieces(task);
  return [];
}

/**
 * Runs tasks with as many in flight as there are threads; each is made only then. After a failure none is begun, and those
 * in flight come to their end.
 * @returns the results in the order of `items`
 * @throws the failure of the first item that has one; the signal's reason
 */
export async function runTasks<Item>(
  items: readonly Item[],
  makeTask: (item: Item) => ImageTask,
  { pool, signal }: RunTasksOptions,
): Promise<ImageTaskResult[]> {
  const results: ImageTaskResult[] = [];
  const failures = new Map<number, unknown>();
  let next = 0;
  const runNext = async (): Promise<void> => {
    while (next < items.length && failures.size === 0) {
      const index = next++;
      try {
        signal?.throwIfAborted();
        const task = makeTask(items[index] as Item);
        results[index] = pool ? await pool.run(task, transfersOf(task)) : runTask(task);
      } catch (error) {
        failures.set(index, error);
      }
    }
  };
  await Promise.all(Array.from({ length: pool ? 2 * pool.size : 1 }, runNext));
  const [first] = [...failures.keys()].sort((a, b) => a - b);
  if (first !== undefined) throw failures.get(first);
  return results;
}

function transfersOf(task: ImageTask): ArrayBuffer[] {
  const transfers = transferOf(task.pieces);
  if (task.kind === "copy") transfers.push(task.metadata.buffer as ArrayBuffer);
  return transfers;
}
