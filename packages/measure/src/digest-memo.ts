import { type HashAlgorithm, isSha256Hex, type Sha256Hex, sha256Hex } from "@cvm-build/bytes";
import { type DigestStream, streamBytes, type StreamDigests, type StreamWork } from "./digest-stream.ts";

/** Digests of one stream under several algorithms. */
export type BankDigests = Partial<Record<HashAlgorithm, StreamDigests>>;

/** Digests of the same bytes under several algorithms. */
export type EqualDigests = Partial<Record<HashAlgorithm, string>>;

/**
 * Digests of kernels and initrds that outlive the process, by the SHA-256 of the same bytes. Whoever looks something up has
 * hashed the bytes; what is saved is hashing them again under dearer algorithms.
 */
export interface KeptDigests {
  lookup(sha256: Sha256Hex): EqualDigests | undefined;
  keep(sha256: Sha256Hex, digests: EqualDigests): void;
}

/** Below this, looking something up costs more than it saves. */
const WORTH_KEEPING_BYTES = 1 << 20;

/** Digests of one image's streams that were taken before: for predictions that differ in little. */
export class DigestMemo {
  readonly #known = new Map<string, BankDigests>();
  readonly #kept: KeptDigests | undefined;

  /** @param kept what earlier processes found out too. For foresight: what was built is measured from its own bytes. */
  constructor({ kept }: { kept?: KeptDigests } = {}) {
    this.#kept = kept;
  }

  /** Digests of streams, of which only those are hashed that were not before. */
  async hash(
    streams: readonly DigestStream[],
    banks: readonly HashAlgorithm[],
    hashThem: (work: readonly StreamWork[]) => Promise<BankDigests[]>,
  ): Promise<BankDigests[]> {
    const keys = streams.map(streamKey);
    const unknown = streams.flatMap((stream, index) => {
      const [key, known] = [keys[index]!, this.#known.get(keys[index]!)];
      return banks.every((bank) => known?.[bank]) ? [] : [{ key, stream }];
    });
    const first = await hashThem(
      unknown.map(({ stream }) => ({ stream, algorithms: this.#isKept(stream, banks) ? ["sha256"] : banks })),
    );
    for (const [index, { key, stream }] of unknown.entries()) {
      const kept = this.#isKept(stream, banks) ? this.#lookup(first[index]!.sha256 ?? [], banks) : undefined;
      this.#learn(key, { ...kept, ...first[index] });
    }
    await this.#hashRest(unknown, banks, hashThem);
    return keys.map((key) => this.#known.get(key)!);
  }

  /** Hashes, and keeps, what nothing was kept of. */
  async #hashRest(
    hashed: readonly { key: string; stream: DigestStream }[],
    banks: readonly HashAlgorithm[],
    hashThem: (work: readonly StreamWork[]) => Promise<BankDigests[]>,
  ): Promise<void> {
    const lacking = hashed.flatMap(({ key, stream }) => {
      const algorithms = banks.filter((bank) => !this.#known.get(key)?.[bank]);
      return algorithms.length > 0 ? [{ key, stream, algorithms }] : [];
    });
    if (lacking.length === 0) return;
    for (const [index, digests] of (await hashThem(lacking)).entries()) {
      const { key } = lacking[index]!;
      this.#learn(key, digests);
      const all = this.#known.get(key) ?? {};
      for (const [mark, sha256] of (all.sha256 ?? []).entries()) {
        const equal = Object.entries(all).map(([bank, ofMarks]) => [bank, ofMarks[mark]] as const);
        if (isSha256Hex(sha256)) this.#kept?.keep(sha256, Object.fromEntries(equal));
      }
    }
  }

  #learn(key: string, digests: BankDigests): void {
    this.#known.set(key, { ...this.#known.get(key), ...digests });
  }

  #isKept(stream: DigestStream, banks: readonly HashAlgorithm[]): boolean {
    const isDear = banks.some((bank) => bank !== "sha256");
    return this.#kept !== undefined && isDear && stream.recurs === true && streamBytes(stream) >= WORTH_KEEPING_BYTES;
  }

  /** Digests in other banks of a stream whose SHA-256 are these; undefined unless they are known for each mark. */
  #lookup(sha256: readonly string[], banks: readonly HashAlgorithm[]): BankDigests | undefined {
    const marks = sha256.map((digest) => (isSha256Hex(digest) ? this.#kept?.lookup(digest) : undefined));
    if (!marks.every((mark) => mark && banks.every((bank) => mark[bank] !== undefined))) return undefined;
    return Object.fromEntries(banks.map((bank) => [bank, marks.map((mark) => mark?.[bank] ?? "")]));
  }
}

/** Equal for streams of equal bytes. */
function streamKey({ parts, marks }: DigestStream): string {
  const keys = parts.map((part) => ("bytes" in part ? sha256Hex(part.bytes) : `${part.offsetBytes}+${part.sizeBytes}`));
  return `${keys.join(" ")} ${marks.join(",")}`;
}
