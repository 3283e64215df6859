import { parentPort } from "node:worker_threads";
import { assert } from "@cvm-build/bytes";
import { encodeWorkerError, type WorkerError } from "./worker-error.ts";

/** What the pool sends to a thread. */
export interface TaskRequest {
  task: unknown;
}

/** What a thread answers, once a request. */
export type TaskReply = { ok: true; result: unknown } | { ok: false; error: WorkerError };

/** Serves the tasks of a `WorkerPool` with `handler`. Called once, at the top level of the worker's module. */
export function serveTasks<Task, Result>(handler: (task: Task) => Result | Promise<Result>): void {
  const port = parentPort;
  assert(port, "serveTasks is called in a worker thread");
  port.on("message", (request: TaskRequest) => {
    void answer(handler, request.task as Task).then((reply) => port.postMessage(reply));
  });
}

async function answer<Task, Result>(handler: (task: Task) => Result | Promise<Result>, task: Task): Promise<TaskReply> {
  try {
    return { ok: true, result: await handler(task) };
  } catch (error) {
    return { ok: false, error: encodeWorkerError(error) };
  }
}
