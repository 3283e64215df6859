import type { ResourceLimits, Transferable, Worker } from "node:worker_threads";
import { CvmError, startThread } from "@cvm-build/bytes";
import { reviveWorkerError } from "./worker-error.ts";
import type { TaskReply, TaskRequest } from "./serve-tasks.ts";

/** What the threads of a pool run, and how many there are. */
export interface WorkerPoolOptions {
  /** A module that calls `serveTasks`. */
  module: URL;
  /** How many threads there may be, at least one. Each starts when there is work that no other is free for. */
  size: number;
  /**
   * How large the objects of a thread may become, unless it is as Node has it. The less, the sooner V8 takes away the
   * buffers that they leave behind, which are not counted.
   */
  maxHeapMb?: number;
}

/** Short-lived objects of a thread: its work is in buffers, and V8's default would let their wrappers pile up. */
const YOUNG_MB = 12;

interface Job {
  task: unknown;
  transfer: readonly Transferable[];
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/**
 * Threads that all run one module. A thread does one task at a time and gets it only when it is free, so that no more
 * than `size` tasks are in memory twice. Idle threads do not keep the process alive; `await using` ends them.
 */
export class WorkerPool implements AsyncDisposable {
  readonly #module: URL;
  readonly #size: number;
  readonly #limits: ResourceLimits;
  readonly #threads = new Map<Worker, Job | undefined>();
  readonly #idle: Worker[] = [];
  readonly #queue: (Job | undefined)[] = [];
  #queueStart = 0;
  #isClosed = false;

  constructor({ module, size, maxHeapMb }: WorkerPoolOptions) {
    this.#module = module;
    this.#size = Math.max(1, Math.floor(size));
    this.#limits = {
      maxYoungGenerationSizeMb: YOUNG_MB,
      ...(maxHeapMb !== undefined && { maxOldGenerationSizeMb: maxHeapMb }),
    };
  }

  /** How many threads there may be. */
  get size(): number {
    return this.#size;
  }

  /**
   * Has a thread do `task`. Tasks start in the order of the calls and may end in any.
   * @param transfer buffers of the task that move to the thread instead of being copied
   * @throws what the handler threw, as the same class; CvmError `worker` where the thread died
   */
  run<Task, Result>(task: Task, transfer: readonly Transferable[] = []): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      if (this.#isClosed) {
        reject(closedError());
        return;
      }
      this.#queue.push({ task, transfer, resolve: resolve as (result: unknown) => void, reject });
      this.#dispatch();
    });
  }

  /** Ends the threads. Tasks that are not done fail. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const job of this.#queue.splice(this.#queueStart)) job?.reject(closedError());
    const threads = [...this.#threads];
    this.#threads.clear();
    for (const [, job] of threads) job?.reject(closedError());
    await Promise.all(threads.map(([thread]) => thread.terminate()));
  }

  #dispatch(): void {
    while (this.#queueStart < this.#queue.length) {
      const thread = this.#idle.pop() ?? this.#start();
      if (!thread) return;
      const job = this.#takeJob();
      this.#threads.set(thread, job);
      thread.ref();
      try {
        thread.postMessage({ task: job.task } satisfies TaskRequest, job.transfer);
      } catch (error) {
        this.#finish(thread)?.reject(error as Error);
      }
    }
  }

  /**
   * The next job. The queue's head moves and is cut off now and then: `shift` would cost its length each time. What was
   * taken is let go of at once, since a job leads to its result.
   */
  #takeJob(): Job {
    const job = this.#queue[this.#queueStart] as Job;
    this.#queue[this.#queueStart++] = undefined;
    if (this.#queueStart > 1024 && this.#queueStart * 2 > this.#queue.length) {
      this.#queue.splice(0, this.#queueStart);
      this.#queueStart = 0;
    }
    return job;
  }

  #start(): Worker | undefined {
    if (this.#threads.size >= this.#size) return undefined;
    const thread = startThread(this.#module, { resourceLimits: this.#limits });
    this.#threads.set(thread, undefined);
    thread.on("message", (reply: TaskReply) => {
      const job = this.#finish(thread);
      if (reply.ok) job?.resolve(reply.result);
      else job?.reject(reviveWorkerError(reply.error));
      this.#dispatch();
    });
    thread.on("messageerror", (error) => this.#bury(thread, error));
    thread.on("error", (error) => this.#bury(thread, error));
    thread.on("exit", (exitCode) => this.#bury(thread, `exit code ${exitCode}`));
    return thread;
  }

  #finish(thread: Worker): Job | undefined {
    const job = this.#threads.get(thread);
    if (!this.#threads.has(thread)) return undefined;
    this.#threads.set(thread, undefined);
    this.#idle.push(thread);
    thread.unref();
    return job;
  }

  /** Forgets a thread that died; its job fails, the others go on. */
  #bury(thread: Worker, reason: unknown): void {
    const job = this.#threads.get(thread);
    if (!this.#threads.delete(thread)) return;
    const at = this.#idle.indexOf(thread);
    if (at >= 0) this.#idle.splice(at, 1);
    const got = reason instanceof Error ? reason.message : String(reason);
    job?.reject(
      new CvmError("worker", `cannot finish a task of "${moduleName(this.#module)}": expected a result, got ${got}`, {
        hint: "the thread may have run out of memory: use fewer threads",
        cause: reason,
      }),
    );
    void thread.terminate();
    this.#dispatch();
  }
}

function moduleName(module: URL): string {
  return module.pathname.slice(module.pathname.lastIndexOf("/") + 1);
}

function closedError(): CvmError {
  return new CvmError("worker", "cannot run a task: expected an open pool, got a closed one");
}
