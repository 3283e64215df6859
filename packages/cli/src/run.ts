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
import { surroundingsOf } from "./surroundings.ts";

/**
 * Runs one command line and writes what it has to say.
 * @param argv arguments after the program's name
 * @returns the exit code
 */
export async function run(argv: readonly string[]): Promise<number> {
  const call: { command?: Command; flags: Flags } = { flags: {} };
  try {
    await parserFor(call, argv).parseAsync(argv);
    if (!call.command) return EXIT.done; // --help, --version or the completion script was asked for, and printed
    return await execute(call.command, call.flags);
  } catch (error) {
    return fail(error, { flags: call.command ? call.flags : { json: argv.includes("--json") } });
  }
}

function parserFor(call: { command?: Command; flags: Flags }, argv: readonly string[]): Argv {
  const parser = globalFlags(yargs())
    .scriptName("cvm-build")
    .usage("$0 [command]\n\nBuild measured images for confidential VMs, and say what their registers will be.")
    .version(PROGRAM_VERSION)
    .completion("completion", "Print a script that completes commands and flags (bash, zsh)")
    .strict()
    .recommendCommands()
    .help()
    .wrap(Math.min(110, process.stdout.columns || 100))
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? usageError(message, argv);
    });
  for (const command of COMMANDS) {
    parser.command(
      command.name as string,
      command.summary,
      (own) => command.examples.reduce((all, [line, meaning]) => all.example(line, meaning), command.flags(own)),
      (flags) => {
        call.command = command;
        call.flags = flags;
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

function show(outcome: Outcome, flags: Flags): string {
  if (isSet(flags, "json")) return `${JSON.stringify(outcome.json, undefined, 2)}\n`;
  return outcome.text(painterFor(process.stdout, flags));
}

function fail(error: unknown, { flags }: { flags: Flags }): number {
  const exitCode = exitCodeOf(error);
  if (isSet(flags, "json")) process.stdout.write(`${JSON.stringify(errorDocument(error, exitCode), undefined, 2)}\n`);
  process.stderr.write(renderError(error, painterFor(process.stderr, flags)));
  return exitCode;
}

function painterFor(stream: NodeJS.WriteStream, flags: Flags): Painter {
  const { NO_COLOR, FORCE_COLOR } = process.env;
  const wanted = flags["color"];
  if (typeof wanted === "boolean") return painter({ enabled: wanted });
  return painter({ enabled: FORCE_COLOR ? FORCE_COLOR !== "0" : stream.isTTY === true && !NO_COLOR });
}

function usageError(message: string, argv: readonly string[]): CvmError {
  const [first = message, ...others] = message.split("\n");
  const said = first.startsWith("Not enough non-option arguments") ? "expected another argument, got none" : first;
  const verb = COMMANDS.map(({ name }) => String(name).split(/[ ,]/)[0]).find((name) => argv.includes(name ?? ""));
  return new CvmError("usage", `cannot read the command line: ${said.charAt(0).toLowerCase()}${said.slice(1)}`, {
    hint: others.find(Boolean) ?? `${["cvm-build", verb, "--help"].filter(Boolean).join(" ")} says what is understood`,
  });
}
