import { once } from "node:events";
import { type ByteSource, type FileSource, type HashAlgorithm, sha256Hex, startThread } from "@cvm-build/bytes";
import { type DigestStream, hashStreams, streamBytes, type StreamDigests } from "./digest-stream.ts";
import type { DigestTask } from "./digest-worker.ts";

/** Below this, starting a thread costs more than it saves. */
const WORTH_A_THREAD_BYTES = 1 << 23;

/** Relative cost of a byte under each algorithm, where the processor has instructions for SHA-1 and SHA-256. */
const COST = { sha1: 2, sha256: 2, sha384: 4, sha512: 4 } as const satisfies Record<HashAlgorithm, number>;
/** What starting a thread costs, in bytes of cost 1: six hundredths of a second. */
const THREAD_START = 200_000_000;

type BankDigests = Partial<Record<HashAlgorithm, StreamDigests[]>>;

/** Digests of one image's streams that were taken before: for predictions that differ in little. */
export class DigestMemo {
  readonly #known = new Map<string, Partial<Record<HashAlgorithm, StreamDigests>>>();

  /** Digests of streams, of which only those are hashed that were not before. */
  async hash(
    streams: readonly DigestStream[],
    banks: readonly HashAlgorithm[],
    hashThem: (unknown: readonly DigestStream[]) => Promise<BankDigests>,
  ): Promise<BankDigests> {
    const keys = streams.map(streamKey);
    const isKnown = (key: string) => banks.every((bank) => this.#known.get(key)?.[bank] !== undefined);
    const unknown = streams.flatMap((stream, index) => (isKnown(keys[index]!) ? [] : [{ stream, key: keys[index]! }]));
    const digests = unknown.length === 0 ? {} : await hashThem(unknown.map(({ stream }) => stream));
    for (const [index, { key }] of unknown.entries()) {
      const taken = Object.fromEntries(banks.map((bank) => [bank, digests[bank]![index]!]));
      this.#known.set(key, { ...this.#known.get(key), ...taken });
    }
    return Object.fromEntries(banks.map((bank) => [bank, keys.map((key) => this.#known.get(key)![bank]!)]));
  }
}

/** Equal for streams of equal bytes. */
function streamKey({ parts, marks }: DigestStream): string {
  const keys = parts.map((part) => ("bytes" in part ? sha256Hex(part.bytes) : `${part.offsetBytes}+${part.sizeBytes}`));
  return `${keys.join(" ")} ${marks.join(",")}`;
}

/**
 * Hashes streams of an image under several algorithms, in threads where the image is a file and it pays. This thread
 * takes a share.
 */
export function hashBanks(
  image: ByteSource,
  streams: readonly DigestStream[],
  options: { banks: readonly HashAlgorithm[]; threads: number; memo?: DigestMemo },
): Promise<BankDigests> {
  const { memo, banks } = options;
  const hashThem = (wanted: readonly DigestStream[]) => hashAll(image, wanted, options);
  return memo ? memo.hash(streams, banks, hashThem) : hashThem(streams);
}

async function hashAll(
  image: ByteSource,
  streams: readonly DigestStream[],
  options: { banks: readonly HashAlgorithm[]; threads: number },
): Promise<BankDigests> {
  if (options.banks.length === 0) return {};
  const totalBytes = streams.reduce((sum, stream) => sum + streamBytes(stream), 0);
  const threads = isFile(image) && totalBytes >= WORTH_A_THREAD_BYTES ? options.threads : 1;
  const [own = [], ...others] = shares(options.banks, { count: Math.max(1, threads), totalBytes });
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
  const thread = startThread(new URL("./digest-worker.ts", import.meta.url), { data: task });
  const [digests] = (await once(thread, "message")) as [StreamDigests[][]];
  return digests;
}

function named(algorithms: readonly HashAlgorithm[], digests: readonly StreamDigests[][]) {
  return algorithms.map((algorithm, index) => [algorithm, digests[index]] as const);
}

/** Deals out algorithms so that the shares end at about the same time, those of threads with their start. */
function shares(
  banks: readonly HashAlgorithm[],
  { count, totalBytes }: { count: number; totalBytes: number },
): HashAlgorithm[][] {
  const dealt = Array.from({ length: Math.min(count, banks.length) }, (_, index) => ({
    cost: index === 0 ? 0 : THREAD_START / totalBytes,
    banks: [] as HashAlgorithm[],
  }));
  const dear = [...new Set(banks)].sort((a, b) => COST[b] - COST[a]);
  for (const bank of dear) {
    const least = dealt.reduce((found, share) => (share.cost < found.cost ? share : found));
    least.banks.push(bank);
    least.cost += COST[bank];
  }
  return dealt.map((share) => share.banks).filter((share, index) => index === 0 || share.length > 0);
}

function isFile(image: ByteSource): image is FileSource {
  return "path" in image;
}
