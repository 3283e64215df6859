import { parentPort, type Transferable } from "node:worker_threads";
import { assert } from "@cvm-build/bytes";
import { encodeWorkerError, type WorkerError } from "./worker-error.ts";

/** What the pool sends to a thread. */
export interface TaskRequest {
  task: unknown;
}

/** What a thread answers, once a request. */
export type TaskReply = { ok: true; result: unknown } | { ok: false; error: WorkerError };

/**
 * Serves the tasks of a `WorkerPool` with `handler`. Called once, at the top level of the worker's module.
 * @param transferOf buffers of a result that move to the pool's thread instead of being copied
 */
export function serveTasks<Task, Result>(
  handler: (task: Task) => Result | Promise<Result>,
  transferOf: (result: Result) => readonly Transferable[] = () => [],
): void {
  const port = parentPort;
  assert(port, "serveTasks is called in a worker thread");
  port.on("message", (request: TaskRequest) => {
    void answer(handler, request.task as Task).then((reply) =>
      port.postMessage(reply, reply.ok ? transferOf(reply.result as Result) : []),
    );
  });
}

async function answer<Task, Result>(handler: (task: Task) => Result | Promise<Result>, task: Task): Promise<TaskReply> {
  try {
    return { ok: true, result: await handler(task) };
  } catch (error) {
    return { ok: false, error: encodeWorkerError(error) };
  }
}
