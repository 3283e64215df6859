import type { Duplex } from "node:stream";
import { VmError } from "./errors.ts";

/** No line of QMP or qtest that we ask for is longer. */
const MAX_LINE_CHARACTERS = 1 << 20;

interface Waiter {
  resolve: (line: string) => void;
  reject: (error: Error) => void;
}

/** Lines of text over a stream: one answer to each request, in order. */
export class LineChannel {
  readonly #stream: Duplex;
  readonly #name: string;
  readonly #waiters: Waiter[] = [];
  /** Answers that came before they were asked for, such as a greeting. */
  readonly #early: string[] = [];
  #partial = "";
  #closed: VmError | undefined;

  /**
   * @param options.name what the channel leads to, for messages
   * @param options.isAnswer says whether a line answers a request; other lines are dropped once it has seen them
   */
  constructor(stream: Duplex, options: { name: string; isAnswer: (line: string) => boolean }) {
    this.#stream = stream;
    this.#name = options.name;
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => this.#receive(text, options.isAnswer));
    stream.on("error", () => this.#close());
    stream.on("close", () => this.#close());
    stream.on("end", () => this.#close());
  }

  /**
   * Sends a line and waits for its answer.
   * @throws VmError `boot-failed` where the other end is gone
   */
  async ask(line: string): Promise<string> {
    const answer = this.next();
    if (this.#closed === undefined) this.#stream.write(`${line}\n`);
    return answer;
  }

  /** The next answer. */
  async next(): Promise<string> {
    const early = this.#early.shift();
    if (early !== undefined) return early;
    if (this.#closed !== undefined) throw this.#closed;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    this.#waiters.push({ resolve, reject });
    return promise;
  }

  #receive(text: string, isAnswer: (line: string) => boolean): void {
    const lines = (this.#partial + text).split("\n");
    this.#partial = lines.pop() ?? "";
    if (this.#partial.length > MAX_LINE_CHARACTERS) this.#stream.destroy();
    for (const line of lines) {
      const trimmed = line.trimEnd();
      if (trimmed === "" || !isAnswer(trimmed)) continue;
      const waiter = this.#waiters.shift();
      if (waiter) waiter.resolve(trimmed);
      else this.#early.push(trimmed);
    }
  }

  #close(): void {
    this.#closed ??= new VmError(
      "boot-failed",
      `cannot talk to QEMU over "${this.#name}": expected a running machine, got the end of the connection`,
    );
    for (const { reject } of this.#waiters.splice(0)) reject(this.#closed);
  }
}
