import type { ReportProgress } from "@cvm-build/bytes";

/** How often progress is told, in bytes: a terminal shows no more. */
const STEP_BYTES = 1 << 18;

/** Adds up the bytes of several downloads into one progress. */
export class Meter {
  readonly #report: ReportProgress | undefined;
  readonly #total: number | undefined;
  readonly #doneByItem = new Map<string, number>();
  #done = 0;
  #told = -STEP_BYTES;

  /** @param options.totalBytes of all items, where it is known */
  constructor(report: ReportProgress | undefined, { totalBytes }: { totalBytes: number | undefined }) {
    this.#report = report;
    this.#total = totalBytes;
  }

  /** Says that `item` has `doneBytes` now; fewer than before where it had to begin anew. */
  set(item: string, doneBytes: number): void {
    const before = this.#doneByItem.get(item) ?? 0;
    this.#doneByItem.set(item, doneBytes);
    this.#done += doneBytes - before;
    if (Math.abs(this.#done - this.#told) < STEP_BYTES && this.#done !== this.#total) return;
    this.#told = this.#done;
    const event = { stage: "fetch", item, done: this.#done, unit: "bytes" } as const;
    this.#report?.(this.#total === undefined ? event : { ...event, total: this.#total });
  }
}
