import { once } from "node:events";
import type { Worker } from "node:worker_threads";
import { startThread } from "@cvm-build/bytes";
import type { DigestReply, DigestTask } from "./digest-worker.ts";

const WORKER = new URL("./digest-worker.ts", import.meta.url);

/** Threads without work. They wait for the next image: starting one takes as long as hashing some 20 MB in all banks. */
const idle: Worker[] = [];

/** How many threads there are that have started, or have begun to, and have no work. */
export function idleDigestThreads(): number {
  return idle.length;
}

/**
 * Starts threads that will hash, for a caller who knows that there will be much to hash and has something else to do
 * first. They do not keep the process alive.
 * @param threads how many may hash, of which the caller's own is one
 */
export function prepareDigestThreads(threads: number): void {
  while (idle.length < threads - 1) idle.push(start());
}

/** Has a thread that is idle hash, or one that is started for it. */
export async function hashInThread(task: DigestTask): Promise<DigestReply> {
  const thread = idle.pop() ?? start();
  thread.ref();
  thread.postMessage(task, []);
  const [reply] = (await once(thread, "message")) as [DigestReply];
  thread.unref();
  idle.push(thread);
  return reply;
}

function start(): Worker {
  const thread = startThread(WORKER);
  thread.unref();
  thread.on("exit", () => {
    const place = idle.indexOf(thread);
    if (place >= 0) idle.splice(place, 1);
  });
  return thread;
}
