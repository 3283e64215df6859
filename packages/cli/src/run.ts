import { CvmError } from "@cvm-build/bytes";
import { PROGRAM_VERSION } from "@cvm-build/image";
import yargs, { type Argv } from "yargs";
import type { Command, Flags, Outcome } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { EXIT, exitCodeOf } from "./exit-code.ts";
import { globalFlags, isSet } from "./flags.ts";
import { errorDocument, renderError } from "./render/error.ts";
import { type Painter, painter } from "./render/painter.ts";
import { ProgressLine } from "./render/progress.ts";
import { terminalText } from "./render/terminal-text.ts";
import { surroundingsOf } from "./surroundings.ts";

/**
 * Runs one command line and writes what it has to say.
 * @param argv arguments after the program's name
 * @returns the exit code
 */
export async function run(argv: readonly string[]): Promise<number> {
  const call: Call = { flags: { json: argv.includes("--json") }, parserText: "" };
  try {
    await parse(call, argv);
    if (call.command) return await execute(call.command, call.flags);
    process.stdout.write(show({ json: { text: call.parserText }, text: () => `${call.parserText}\n` }, call.flags));
    return EXIT.done;
  } catch (error) {
    return fail(error, call);
  }
}

/** What a command line asks for. */
interface Call {
  /** Absent where the parser itself answers: `--help`, `--version`, `completion`. */
  command?: Command;
  flags: Flags;
  /** That answer. */
  parserText: string;
}

async function parse(call: Call, argv: readonly string[]): Promise<void> {
  try {
    await parserFor(call, argv).parseAsync(argv, {}, (_error, _flags, text) => void (call.parserText = text));
  } catch (error) {
    if (!(error instanceof Understood)) throw error;
  }
}

/** Thrown when all is parsed: when a handler returns, yargs lays out a help text, which takes longer than parsing. */
class Understood extends Error {}

function parserFor(call: Call, argv: readonly string[]): Argv {
  const parser = globalFlags(yargs())
    .locale("en")
    .scriptName("cvm-build")
    .usage("$0 [command]\n\nBuild measured images for confidential VMs, and say what their registers will be.")
    .version(PROGRAM_VERSION)
    .strict()
    .recommendCommands()
    .help()
    .wrap(Math.min(110, process.stdout.columns || 100))
    .exitProcess(false)
    .fail((message, error) => {
      throw error && error.name !== "YError" ? error : usageError(message, argv);
    })
    .command(
      "completion",
      "Print a script that completes commands and flags (bash, zsh)",
      (own) => own.example("$0 completion >> ~/.bashrc", "complete in every shell from now on"),
      () => void parser.showCompletionScript(),
    );
  for (const command of COMMANDS) {
    parser.command(
      command.name as string,
      command.summary,
      (own) => command.examples.reduce((all, [line, meaning]) => all.example(line, meaning), command.flags(own)),
      (flags) => {
        call.command = command;
        call.flags = flags;
        throw new Understood();
      },
    );
  }
  return parser;
}

async function execute(command: Command, flags: Flags): Promise<number> {
  const progress = new ProgressLine(process.stderr, painterFor(process.stderr, flags));
  const interruption = new AbortController();
  const interrupt = () =>
    interruption.abort(new CvmError("interrupted", "cannot go on: expected to run to the end, got interrupted"));
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
  const report = isSet(flags, "quiet") || isSet(flags, "json") ? () => {} : progress.report;
  try {
    const outcome = await command.run(flags, surroundingsOf(flags, { report, signal: interruption.signal }));
    progress.clear();
    process.stdout.write(show(outcome, flags));
    return outcome.exitCode;
  } finally {
    progress.clear();
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
  }
}

function show(outcome: Pick<Outcome, "json" | "text">, flags: Flags): string {
  if (isSet(flags, "json")) return `${JSON.stringify(outcome.json, undefined, 2)}\n`;
  return terminalText(outcome.text(painterFor(process.stdout, flags)));
}

function fail(error: unknown, { flags }: { flags: Flags }): number {
  const exitCode = exitCodeOf(error);
  if (isSet(flags, "json")) process.stdout.write(`${JSON.stringify(errorDocument(error, exitCode), undefined, 2)}\n`);
  process.stderr.write(terminalText(renderError(error, painterFor(process.stderr, flags))));
  return exitCode;
}

function painterFor(stream: NodeJS.WriteStream, flags: Flags): Painter {
  const { NO_COLOR, FORCE_COLOR } = process.env;
  const wanted = flags["color"];
  if (typeof wanted === "boolean") return painter({ enabled: wanted });
  return painter({ enabled: FORCE_COLOR ? FORCE_COLOR !== "0" : stream.isTTY === true && !NO_COLOR });
}

/** How yargs says that a value is none of those that are understood. */
const INVALID_CHOICE = /^Invalid values:\n\s*Argument: (.*), Given: (.*), Choices: (.*)/;

function usageError(message: string, argv: readonly string[]): CvmError {
  const [first = message, ...others] = message.replace(INVALID_CHOICE, "Expected $3 for $1, got $2").split("\n");
  const said = first.startsWith("Not enough non-option arguments") ? "expected another argument, got none" : first;
  const verbs = COMMANDS.map(({ name }) => String(name).split(/[ ,]/)[0] ?? "");
  const verb = verbs.find((name) => argv.includes(name));
  const isUnknownVerb = verb === undefined && first.startsWith("Unknown argument");
  const help = `${["cvm-build", verb, "--help"].filter(Boolean).join(" ")} says what is understood`;
  return new CvmError("usage", `cannot read the command line: ${said.charAt(0).toLowerCase()}${said.slice(1)}`, {
    hint: others.find(Boolean) ?? (isUnknownVerb ? `commands are ${verbs.join(", ")}; ${help}` : help),
  });
}
