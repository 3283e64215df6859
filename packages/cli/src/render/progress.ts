import type { ProgressEvent, ReportProgress } from "@cvm-build/bytes";
import type { Painter } from "./painter.ts";
import { renderSize } from "./size.ts";

const REDRAW_EVERY_MS = 80;
const BAR_WIDTH = 24;

/** Shows progress on standard error: one line that is drawn again on a terminal, a line a stage elsewhere. */
export class ProgressLine {
  readonly #stream: NodeJS.WriteStream;
  readonly #painter: Painter;
  #drawnAtMs = 0;
  #stage = "";
  #isDrawn = false;

  constructor(stream: NodeJS.WriteStream, painter: Painter) {
    this.#stream = stream;
    this.#painter = painter;
  }

  readonly report: ReportProgress = (event) => {
    if (this.#stream.isTTY) this.#draw(event);
    else if (event.stage !== this.#stage) this.#stream.write(`${event.stage}…\n`);
    this.#stage = event.stage;
  };

  /** Takes the line away, before anything else is written. */
  clear(): void {
    if (this.#isDrawn) this.#stream.write("\r\u001b[K");
    this.#isDrawn = false;
  }

  #draw(event: ProgressEvent): void {
    const nowMs = performance.now();
    const isLast = event.total !== undefined && event.done >= event.total;
    if (!isLast && event.stage === this.#stage && nowMs - this.#drawnAtMs < REDRAW_EVERY_MS) return;
    this.#drawnAtMs = nowMs;
    this.#isDrawn = true;
    const line = [event.stage.padEnd(10), bar(event, this.#painter), amount(event), event.item ?? ""].join(" ");
    this.#stream.write(`\r\u001b[K${line.slice(0, Math.max(20, this.#stream.columns - 1))}`);
  }
}

function bar({ done, total }: ProgressEvent, painter: Painter): string {
  if (total === undefined || total === 0) return painter("dim", "·".repeat(BAR_WIDTH));
  const filled = Math.min(BAR_WIDTH, Math.floor((done / total) * BAR_WIDTH));
  return "█".repeat(filled) + "░".repeat(BAR_WIDTH - filled);
}

function amount({ done, total, unit }: ProgressEvent): string {
  const show = unit === "bytes" ? renderSize : String;
  return total === undefined ? show(done) : `${show(done)} of ${show(total)}`;
}
