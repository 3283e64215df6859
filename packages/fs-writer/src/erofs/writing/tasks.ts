import { WorkerPool } from "../../workers/worker-pool.ts";
import { doTasks, type ImageTask, type ImageTaskResult } from "./do-tasks.ts";
import { transferOf } from "./piece.ts";

/** How tasks are run. */
export interface RunTasksOptions {
  pool: WorkerPool | undefined;
  signal?: AbortSignal;
}

const IMAGE_WORKER = new URL("./worker.ts", import.meta.url);
/** Up to here one thread does all: starting others would take longer. */
const LITTLE_BYTES = 16 << 20;
/** How many tasks another thread gets at once. This one looks after the others only between its own tasks. */
const GROUP_TASKS = 4;

/**
 * Threads beside this one for `sizeBytes` of contents, which start at once; none where they would not pay.
 * @param options.maxHeapMb as a pool has it
 */
export function imagePool({
  others,
  sizeBytes,
  ...limits
}: {
  others: number;
  sizeBytes: number;
  maxHeapMb?: number;
}): WorkerPool | undefined {
  if (others < 1 || sizeBytes <= LITTLE_BYTES) return undefined;
  const pool = new WorkerPool({ module: IMAGE_WORKER, size: others, ...limits });
  // A thread that cannot start fails its first task too.
  for (let thread = 0; thread < others; thread++) pool.run([]).catch(() => undefined);
  return pool;
}

/**
 * Runs tasks here and in other threads, with a few in flight; each is made only when its turn comes. After a failure none
 * is begun, and those in flight come to their end.
 * @param makeTask what it makes is done before it is called again where `isHere`, and else keeps its buffers
 * @returns the results in the order of `items`
 * @throws the failure of the first item that has one; the signal's reason
 */
export async function runTasks<Item>(
  items: readonly Item[],
  makeTask: (item: Item, where: { isHere: boolean }) => ImageTask,
  { pool, signal }: RunTasksOptions,
): Promise<ImageTaskResult[]> {
  const results: ImageTaskResult[] = [];
  const failures = new Map<number, unknown>();
  let next = 0;
  const runAll = async (
    run: (tasks: ImageTask[]) => Promise<ImageTaskResult[]>,
    { isHere }: { isHere: boolean },
  ): Promise<void> => {
    const atOnce = isHere ? 1 : GROUP_TASKS;
    while (next < items.length && failures.size === 0) {
      const first = next;
      const count = Math.min(atOnce, Math.ceil((items.length - next) / (2 * GROUP_TASKS)));
      next += count;
      try {
        signal?.throwIfAborted();
        const done = await run(items.slice(first, next).map((item) => makeTask(item, { isHere })));
        for (const [index, result] of done.entries()) results[first + index] = result;
      } catch (error) {
        failures.set(first, error);
      }
    }
  };
  const elsewhere = (tasks: ImageTask[]): Promise<ImageTaskResult[]> =>
    (pool as WorkerPool).run(tasks, tasks.flatMap(transfersOf));
  const here = async (tasks: ImageTask[]): Promise<ImageTaskResult[]> => {
    const done = doTasks(tasks);
    // Lets replies of other threads in.
    await new Promise((resolve) => void setImmediate(resolve));
    return done;
  };
  const others = Array.from({ length: pool ? 2 * pool.size : 0 }, () => runAll(elsewhere, { isHere: false }));
  await Promise.all([...others, runAll(here, { isHere: true })]);
  const [first] = [...failures.keys()].sort((a, b) => a - b);
  if (first !== undefined) throw failures.get(first);
  return results;
}

function transfersOf(task: ImageTask): ArrayBuffer[] {
  const transfers = transferOf(task.pieces);
  if (task.kind === "copy") transfers.push(task.metadata.buffer as ArrayBuffer);
  return transfers;
}
