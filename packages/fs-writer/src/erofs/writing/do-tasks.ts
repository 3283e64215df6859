import type { Sha256Hex } from "@cvm-build/bytes";
import { copyPieces, type CopyTask } from "./copy.ts";
import { hashChunks, type HashChunksTask } from "./hash-chunks.ts";

/** Work on an image that other threads can do. */
export type ImageTask = CopyTask | HashChunksTask;
/** Digests of chunks a content; none for what is copied. */
export type ImageTaskResult = Sha256Hex[][];

/** Does tasks, in whichever thread. */
export function doTasks(tasks: readonly ImageTask[]): ImageTaskResult[] {
  return tasks.map((task) => {
    if (task.kind === "chunks") return hashChunks(task);
    copyPieces(task);
    return [];
  });
}
