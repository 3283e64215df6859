import type { ByteSource, FileSource, HashAlgorithm } from "@cvm-build/bytes";
import type { BankDigests, DigestMemo } from "./digest-memo.ts";
import { type DigestStream, hashStream, streamBytes, type StreamDigests, type StreamWork } from "./digest-stream.ts";
import { hashInThread, MOST_THREADS, startTimesMs } from "./digest-threads.ts";

/** Below this, starting a thread costs more than it saves. */
const WORTH_A_THREAD_BYTES = 1 << 23;
/** Streams below this stay in this thread. */
const WORTH_A_MESSAGE_BYTES = 1 << 20;

/** Relative cost of a byte under each algorithm, where the processor has instructions for SHA-1 and SHA-256. */
const COST = { sha1: 2, sha256: 2, sha384: 4, sha512: 4 } as const satisfies Record<HashAlgorithm, number>;
/** What is hashed in a millisecond, in bytes of cost 1. */
const COST_PER_MS = 3_500_000;

/**
 * Hashes streams of an image under several algorithms, in threads where the image is a file and it pays. This thread
 * takes a share.
 * @returns digests of each stream, by algorithm
 */
export async function hashBanks(
  image: ByteSource,
  streams: readonly DigestStream[],
  options: { banks: readonly HashAlgorithm[]; threads: number; memo?: DigestMemo },
): Promise<Partial<Record<HashAlgorithm, StreamDigests[]>>> {
  const { memo, threads } = options;
  const banks = [...new Set(options.banks)];
  const hashThem = (work: readonly StreamWork[]) => hashAll(image, work, threads);
  const hashed = memo
    ? await memo.hash(streams, banks, hashThem)
    : await hashThem(streams.map((stream) => ({ stream, algorithms: banks })));
  return Object.fromEntries(banks.map((bank) => [bank, hashed.map((digests) => digests[bank] ?? [])]));
}

/** A stream under one algorithm. */
interface Unit {
  /** Of its stream in the work. */
  index: number;
  algorithm: HashAlgorithm;
  cost: number;
}

async function hashAll(image: ByteSource, work: readonly StreamWork[], threads: number): Promise<BankDigests[]> {
  const totalBytes = work.reduce((sum, { stream }) => sum + streamBytes(stream), 0);
  const count = isFile(image) && totalBytes >= WORTH_A_THREAD_BYTES ? Math.max(1, Math.min(threads, MOST_THREADS)) : 1;
  const [own = [], ...others] = dealOut(work, count).map((units) => groupByStream(units, work));
  const all = work.map((): BankDigests => ({}));
  const note = (share: readonly Share[], digests: readonly StreamDigests[][]) => {
    for (const [at, { index, algorithms }] of share.entries()) {
      for (const [place, algorithm] of algorithms.entries()) all[index]![algorithm] = digests[at]![place]!;
    }
  };
  const running = Promise.all(
    others.map(async (share) => {
      const streams = share.map(({ stream, algorithms }) => ({ stream, algorithms }));
      note(share, await hashInThread({ path: (image as FileSource).path, work: streams }));
    }),
  );
  // Where hashing here fails too, that error is the one to be seen.
  running.catch(() => undefined);
  note(
    own,
    own.map((each) => hashStream(image, each)),
  );
  await running;
  return all;
}

/**
 * Deals out streams and algorithms so that the shares end at about the same time, those of threads that have yet to start
 * with their start. The first share is this thread's.
 */
function dealOut(work: readonly StreamWork[], count: number): Unit[][] {
  const shares = [0, ...startTimesMs(count - 1)].map((startMs) => ({
    cost: startMs * COST_PER_MS,
    units: [] as Unit[],
  }));
  const units = work
    .flatMap(({ stream, algorithms }, index) => {
      const sizeBytes = streamBytes(stream);
      return algorithms.map((algorithm) => ({ index, algorithm, sizeBytes, cost: COST[algorithm] * sizeBytes }));
    })
    .sort((a, b) => b.cost - a.cost);
  for (const { sizeBytes, ...unit } of units) {
    const least = shares.reduce((found, share) => (share.cost < found.cost ? share : found));
    const share = sizeBytes < WORTH_A_MESSAGE_BYTES ? shares[0]! : least;
    share.units.push(unit);
    share.cost += unit.cost;
  }
  return shares.map((share) => share.units).filter((share, index) => index === 0 || share.length > 0);
}

/** What one thread does of a stream. */
interface Share extends StreamWork {
  index: number;
}

/** A stream is read once in each thread. */
function groupByStream(units: readonly Unit[], work: readonly StreamWork[]): Share[] {
  return [...Map.groupBy(units, ({ index }) => index)].map(([index, ofStream]) => ({
    index,
    stream: work[index]!.stream,
    algorithms: ofStream.map(({ algorithm }) => algorithm),
  }));
}

function isFile(image: ByteSource): image is FileSource {
  return "path" in image;
}
