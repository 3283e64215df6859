import { getCompileCacheDir } from "node:module";
import { dirname } from "node:path";
import { type ResourceLimits, Worker } from "node:worker_threads";

const ENTRY = new URL("./thread-entry.mjs", import.meta.url);

/**
 * Starts a thread that runs a module, with code that is compiled already where the main thread keeps such.
 * @param options.data what the module finds as `workerData.data`
 */
export function startThread(
  module: URL,
  { data, resourceLimits }: { data?: unknown; resourceLimits?: ResourceLimits } = {},
): Worker {
  const workerData = { module: module.href, compileCacheDirectory: compileCacheDirectory(), data };
  return new Worker(ENTRY, { workerData, ...(resourceLimits && { resourceLimits }) });
}

/** What `enableCompileCache` takes: Node has a folder for each of its versions below. */
function compileCacheDirectory(): string | undefined {
  const directory = getCompileCacheDir();
  return directory === undefined ? undefined : dirname(directory);
}
