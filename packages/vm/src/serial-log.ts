import type { Readable } from "node:stream";

/** A chatty guest's text is kept up to this; the oldest goes first. */
const MAX_CHARACTERS = 4 << 20;

/** What a guest has written to its serial port so far. */
export class SerialLog {
  #text = "";
  #lastChangeMs: number;
  readonly #nowMs: () => number;

  /** @param nowMs a clock that only goes forwards, in milliseconds */
  constructor(stream: Readable, nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#lastChangeMs = nowMs();
    stream.setEncoding("utf8").on("data", (text: string) => {
      this.#text = (this.#text + text).slice(-MAX_CHARACTERS);
      this.#lastChangeMs = nowMs();
    });
  }

  get text(): string {
    return this.#text;
  }

  /** Milliseconds since the guest last wrote anything. */
  get silentMs(): number {
    return this.#nowMs() - this.#lastChangeMs;
  }

  /** The last lines that have text, without terminal control sequences. */
  tail(lines: number): string {
    return readableLines(this.#text.slice(-16_384)).slice(-lines).join("\n");
  }

  /** The first line that contains `words`, without terminal control sequences. */
  lineWith(words: string): string | undefined {
    const at = this.#text.indexOf(words);
    if (at < 0) return undefined;
    const around = this.#text.slice(Math.max(0, at - 200), at + words.length + 200);
    return readableLines(around).find((line) => line.includes(words));
  }
}

function readableLines(text: string): string[] {
  // oxlint-disable-next-line no-control-regex -- control sequences are what is removed
  const plain = text.replace(/\u001b\[[0-9;?=]*[A-Za-z]/g, "").replace(/[\u0000-\u0009\u000b-\u001f]/g, "");
  return plain.split("\n").filter((line) => line.trim() !== "");
}
