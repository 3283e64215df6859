import { parentPort } from "node:worker_threads";
import { assert, openFileSource } from "@cvm-build/bytes";
import { hashStream, type StreamDigests, type StreamWork } from "./digest-stream.ts";

/** Streams of a file to be hashed. */
export interface DigestTask {
  path: string;
  work: readonly StreamWork[];
}

/** Digests of each stream under each of its algorithms. */
export type DigestReply = StreamDigests[][];

// A protocol of its own, not a pool's: what a pool needs would take longer to load than a third of the work.
const port = parentPort;
assert(port, "this module runs in a thread");
port.on("message", ({ path, work }: DigestTask) => {
  using image = openFileSource(path);
  port.postMessage(work.map((each) => hashStream(image, each)) satisfies DigestReply);
});
