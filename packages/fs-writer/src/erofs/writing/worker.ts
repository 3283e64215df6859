import { serveTasks } from "../../workers/serve-tasks.ts";
import type { CompressRequest, CompressTaskResult, TaskCompressor } from "../compression/compress-task.ts";
import { type ImageTask, type ImageTaskResult, doTasks } from "./do-tasks.ts";

let compressor: TaskCompressor | undefined;

serveTasks(
  async (task: ImageTask[] | CompressRequest): Promise<ImageTaskResult[] | CompressTaskResult> => {
    if (Array.isArray(task)) return doTasks(task);
    // Only here, since images that are not compressed do not need it.
    compressor ??= new (await import("../compression/compress-task.ts")).TaskCompressor();
    return compressor.answer(task);
  },
  (result) => ("data" in result ? [result.data] : []),
);
