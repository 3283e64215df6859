import type { Surroundings } from "@cvm-build/image";
import type { Argv } from "yargs";
import type { Painter } from "./render/painter.ts";

/** What a command ends with: data for `--json`, the same for people, and an exit code. */
export interface Outcome {
  /** The document that `--json` prints. */
  json: unknown;
  /** The same for people, on standard output. */
  text(painter: Painter): string;
  exitCode: number;
}

/** One verb. A handler declares its flags, makes one request of them, and returns data; it prints nothing. */
export interface Command {
  /** yargs' notation, such as `inspect <image>`. Several names: the first is the verb, the others stand for it. */
  name: string | readonly string[];
  summary: string;
  examples: readonly (readonly [command: string, meaning: string])[];
  flags(parser: Argv): Argv;
  run(flags: Flags, surroundings: Surroundings): Promise<Outcome>;
}

/** Parsed flags by name, read with the functions of `flags.ts`. */
export type Flags = Readonly<Record<string, unknown>>;
