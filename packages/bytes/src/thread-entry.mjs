// What every thread starts from. Threads do not inherit the main thread's compile cache: it is turned on here, before the
// thread's own module is loaded. JavaScript, since the first TypeScript file of a thread loads the type stripper, which
// costs as much as everything else of the start together; with a warm cache none is needed.
import { enableCompileCache, flushCompileCache } from "node:module";
import { workerData } from "node:worker_threads";

const { module, compileCacheDirectory } = workerData;
if (compileCacheDirectory !== undefined) enableCompileCache(compileCacheDirectory);
await import(module);
// Node writes the cache when a thread ends by itself; those of pools are ended.
if (compileCacheDirectory !== undefined) flushCompileCache();
