import { spawn } from "node:child_process";
import type { CvmErrorOptions } from "@cvm-build/bytes";
import { ukiError } from "../error.ts";

/** More than the longest answer, a public key or signature, needs. */
const OUTPUT_LIMIT_BYTES = 64 * 1024;
const DIAGNOSTICS_LIMIT_BYTES = 4096;

/** A program to be run once, without a shell. */
export interface Conversation {
  program: string;
  args: readonly string[];
  directory: string;
  environment: Readonly<Record<string, string | undefined>>;
  /** All that it is told on its standard input. */
  input: string;
  timeoutMs: number;
}

/**
 * Runs a program and returns what it writes to its standard output.
 * @throws CvmError `signer` where it cannot be started, fails, says too much or takes too long; with what it wrote to stderr
 */
export async function converse({ program, args, ...rest }: Conversation): Promise<string> {
  const { directory: cwd, environment: env, input, timeoutMs } = rest;
  const failed = (got: string, options?: CvmErrorOptions) =>
    ukiError("signer", `cannot run command "${program}": expected an answer, got ${got}`, options);
  const child = start();
  const output: Buffer[] = [];
  let outputBytes = 0;
  let diagnostics = Buffer.alloc(0);
  let timer: NodeJS.Timeout | undefined;
  const got = await new Promise<string | undefined>((settle) => {
    timer = setTimeout(() => settle(`none in ${timeoutMs / 1000} s`), timeoutMs);
    child.on("error", (error) => settle((error as NodeJS.ErrnoException).code ?? error.message));
    child.once("close", (status, signal) => settle(status === 0 ? undefined : `${signal ?? `status ${status}`}`));
    child.stdout.on("data", (chunk: Buffer) => {
      outputBytes += chunk.length;
      if (outputBytes > OUTPUT_LIMIT_BYTES) settle(`more than ${OUTPUT_LIMIT_BYTES} bytes`);
      else output.push(chunk);
    });
    child.stderr.on("data", (chunk: Buffer) => {
      diagnostics = Buffer.concat([diagnostics, chunk]).subarray(-DIAGNOSTICS_LIMIT_BYTES);
    });
    // A program that knows its answer need not read the question.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
  });
  clearTimeout(timer);
  if (got === undefined) return Buffer.concat(output).toString("utf8");
  child.kill("SIGKILL");
  // What the program itself has started may keep these open.
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
  const said = printable(diagnostics);
  throw failed(`${got}${said && `: ${said}`}`, {
    ...(got === "ENOENT" && { hint: "name a program that is in PATH, or its path" }),
  });

  /** Some failures to start are thrown, others are events. */
  function start() {
    try {
      return spawn(program, args, { cwd, env, stdio: "pipe" });
    } catch (cause) {
      throw failed((cause as NodeJS.ErrnoException).code ?? "none", { cause });
    }
  }
}

/** What a program says, on one line and without what a terminal would obey. */
function printable(diagnostics: Buffer): string {
  return diagnostics
    .toString("utf8")
    .trim()
    .replaceAll(/\s+/g, " ")
    .replaceAll(/\p{Cc}/gu, "?");
}
