import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { ByteSource, FileSource, HashAlgorithm } from "@cvm-build/bytes";
import { type DigestStream, hashStreams, streamBytes, type StreamDigests } from "./digest-stream.ts";
import type { DigestTask } from "./digest-worker.ts";

/** Below this, starting a thread costs more than it saves. */
const WORTH_A_THREAD_BYTES = 1 << 23;

/** Relative cost of each algorithm, where the processor has instructions for SHA-1 and SHA-256. */
const COST = { sha1: 2, sha256: 2, sha384: 5, sha512: 5 } as const satisfies Record<HashAlgorithm, number>;

/**
 * Hashes streams of an image under several algorithms, in threads where the image is a file and it pays. This thread
 * takes a share.
 */
export async function hashBanks(
  image: ByteSource,
  streams: readonly DigestStream[],
  options: { banks: readonly HashAlgorithm[]; threads: number },
): Promise<Partial<Record<HashAlgorithm, StreamDigests[]>>> {
  const totalBytes = streams.reduce((sum, stream) => sum + streamBytes(stream), 0);
  const threads = isFile(image) && totalBytes >= WORTH_A_THREAD_BYTES ? options.threads : 1;
  const [own = [], ...others] = shares(options.banks, Math.max(1, threads));
  const running = Promise.all(
    others.map(async (algorithms) =>
      named(algorithms, await hashInThread({ path: (image as FileSource).path, streams, algorithms })),
    ),
  );
  // Where hashing here fails too, that error is the one to be seen.
  running.catch(() => undefined);
  const done = named(own, hashStreams(image, streams, own));
  return Object.fromEntries([...done, ...(await running).flat()]);
}

async function hashInThread(task: DigestTask): Promise<StreamDigests[][]> {
  const thread = new Worker(new URL("./digest-worker.ts", import.meta.url), { workerData: task });
  const [digests] = (await once(thread, "message")) as [StreamDigests[][]];
  return digests;
}

function named(algorithms: readonly HashAlgorithm[], digests: readonly StreamDigests[][]) {
  return algorithms.map((algorithm, index) => [algorithm, digests[index]] as const);
}

/** Deals out algorithms so that the shares cost about the same. */
function shares(banks: readonly HashAlgorithm[], count: number): HashAlgorithm[][] {
  const dealt = Array.from({ length: Math.min(count, banks.length) }, () => ({
    cost: 0,
    banks: [] as HashAlgorithm[],
  }));
  const dear = [...new Set(banks)].sort((a, b) => COST[b] - COST[a]);
  for (const bank of dear) {
    const least = dealt.reduce((found, share) => (share.cost < found.cost ? share : found));
    least.banks.push(bank);
    least.cost += COST[bank];
  }
  return dealt.map((share) => share.banks);
}

function isFile(image: ByteSource): image is FileSource {
  return "path" in image;
}
