import { once } from "node:events";
import type { Worker } from "node:worker_threads";
import { HASH_ALGORITHMS, startThread } from "@cvm-build/bytes";
import type { DigestReply, DigestTask } from "./digest-worker.ts";

const WORKER = new URL("./digest-worker.ts", import.meta.url);

/** How long a thread takes to start: as long as hashing some 20 MB in all banks. */
const START_MS = 60;

/** More threads than there are banks have little to do: the largest stream under the dearest algorithm takes as long as all. */
export const MOST_THREADS = HASH_ALGORITHMS.length;

/** A thread, and when it was started. */
interface DigestThread {
  worker: Worker;
  startedMs: number;
}

/** Threads without work, which wait for the next image. The last is the next to be used. */
const idle: DigestThread[] = [];

/** How long it takes until each of so many threads can hash, those first that are used first. */
export function startTimesMs(threads: number): number[] {
  const now = performance.now();
  return Array.from({ length: threads }, (_, index) => {
    const thread = idle.at(-1 - index);
    return thread ? Math.max(0, thread.startedMs + START_MS - now) : START_MS;
  });
}

/**
 * Starts threads that will hash, for a caller who knows that there will be much to hash and has something else to do
 * first. They do not keep the process alive.
 * @param threads how many may hash, of which the caller's own is one
 */
export function prepareDigestThreads(threads: number): void {
  while (idle.length < Math.min(threads, MOST_THREADS) - 1) idle.push(start());
}

/** Has a thread that is idle hash, or one that is started for it. */
export async function hashInThread(task: DigestTask): Promise<DigestReply> {
  const thread = idle.pop() ?? start();
  const { worker } = thread;
  worker.ref();
  worker.postMessage(task, []);
  const [reply] = (await once(worker, "message")) as [DigestReply];
  worker.unref();
  idle.push(thread);
  return reply;
}

function start(): DigestThread {
  const thread = { worker: startThread(WORKER), startedMs: performance.now() };
  thread.worker.unref();
  thread.worker.on("exit", () => {
    const place = idle.indexOf(thread);
    if (place >= 0) idle.splice(place, 1);
  });
  return thread;
}
