import { FormatError } from "@cvm-build/bytes";
import type { ErofsInode } from "./inode.ts";
import type { ErofsRun } from "./run.ts";

/** How much of what was decompressed is kept for the next fragment. */
const KEPT_BYTES = 1 << 25;

/** Where the runs of the packed inode are kept in memory, there must be an end to them; each has a block at least. */
const MAX_RUNS = 2 ** 20;

/** Gives the runs of an inode and their bytes. */
interface RunReader {
  runs(inode: ErofsInode): Iterable<ErofsRun>;
  contentOfRun(run: ErofsRun): Iterable<Buffer>;
}

/** The packed inode, whose parts belong to many files. Runs that were decompressed last are kept. */
export class PackedContent {
  readonly #reader: RunReader;
  readonly #sizeBytes: number;
  readonly #runs: readonly ErofsRun[];
  readonly #kept = new Map<ErofsRun, Buffer>();
  #keptBytes = 0;

  /** @throws FormatError where it has fragments itself */
  constructor(reader: RunReader, inode: ErofsInode) {
    this.#reader = reader;
    this.#sizeBytes = inode.sizeBytes;
    const runs: ErofsRun[] = [];
    for (const run of reader.runs(inode)) {
      if (run.kind === "fragment" || runs.push(run) > MAX_RUNS) {
        throw new FormatError(
          { record: "erofs", field: "packed inode" },
          `expected at most ${MAX_RUNS} runs and no fragments`,
        );
      }
    }
    this.#runs = runs;
  }

  /**
   * Bytes of the packed inode.
   * @throws FormatError where they leave it
   */
  *read(offsetBytes: number, sizeBytes: number): Generator<Buffer> {
    const end = offsetBytes + sizeBytes;
    if (end > this.#sizeBytes) {
      const place = { record: "erofs", field: "fragment", offsetBytes };
      throw new FormatError(place, `expected ${sizeBytes} bytes of the packed inode, which has ${this.#sizeBytes}`);
    }
    let at = offsetBytes;
    for (let index = this.#indexOf(offsetBytes); at < end; index++) {
      const run = this.#runs[index];
      if (!run) throw new FormatError({ record: "erofs", field: "packed inode" }, "expected as many bytes as it has");
      const stop = Math.min(end, run.offsetBytes + run.sizeBytes);
      yield* this.#partOf(run, { start: at - run.offsetBytes, end: stop - run.offsetBytes });
      at = stop;
    }
  }

  *#partOf(run: ErofsRun, { start, end }: { start: number; end: number }): Generator<Buffer> {
    if (run.kind === "hole") {
      yield* this.#reader.contentOfRun({ ...run, sizeBytes: end - start });
    } else if (run.kind === "stored") {
      const physicalOffsetBytes = run.physicalOffsetBytes + start;
      yield* this.#reader.contentOfRun({ ...run, physicalOffsetBytes, sizeBytes: end - start });
    } else {
      yield this.#decoded(run).subarray(start, end);
    }
  }

  #decoded(run: ErofsRun): Buffer {
    const known = this.#kept.get(run);
    if (known) {
      this.#kept.delete(run);
      this.#kept.set(run, known);
      return known;
    }
    const bytes = Buffer.concat([...this.#reader.contentOfRun(run)]);
    this.#kept.set(run, bytes);
    this.#keptBytes += bytes.length;
    for (const [oldest, { length }] of this.#kept) {
      if (this.#keptBytes <= KEPT_BYTES) break;
      this.#kept.delete(oldest);
      this.#keptBytes -= length;
    }
    return bytes;
  }

  /** The index of the run that holds the byte at `offsetBytes`. */
  #indexOf(offsetBytes: number): number {
    let low = 0;
    let high = this.#runs.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.#runs[middle]?.offsetBytes ?? 0) <= offsetBytes) low = middle;
      else high = middle;
    }
    return low;
  }
}
