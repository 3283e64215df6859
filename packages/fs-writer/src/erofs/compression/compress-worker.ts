import { serveTasks } from "../../workers/serve-tasks.ts";
import { type CompressRequest, type CompressTaskResult, TaskCompressor } from "./compress-task.ts";

const compressor = new TaskCompressor();

serveTasks(
  (request: CompressRequest): CompressTaskResult => compressor.answer(request),
  ({ data }) => [data],
);
