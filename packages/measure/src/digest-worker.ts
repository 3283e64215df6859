import { parentPort, workerData } from "node:worker_threads";
import { assert, type HashAlgorithm, openFileSource } from "@cvm-build/bytes";
import { type DigestStream, hashStreams } from "./digest-stream.ts";

/** Streams of a file to be hashed under some algorithms, once in the life of a thread. */
export interface DigestTask {
  path: string;
  streams: readonly DigestStream[];
  algorithms: readonly HashAlgorithm[];
}

// A thread of its own, not a pool's: what a pool needs would take longer to load than a third of the work.
const port = parentPort;
assert(port, "this module runs in a thread");
const { path, streams, algorithms } = (workerData as { data: DigestTask }).data;
using image = openFileSource(path);
port.postMessage(hashStreams(image, streams, algorithms));
