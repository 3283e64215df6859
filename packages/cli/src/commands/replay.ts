import { replayEventLog, type ReplayReport, type Surroundings } from "@cvm-build/image";
import type { Argv } from "yargs";
import type { Command, Flags, Outcome } from "../command.ts";
import { EXIT } from "../exit-code.ts";
import { isSet, text } from "../flags.ts";
import { renderReplay } from "../render/replay.ts";

/** `cvm-build replay`: the registers that an event log leads to. */
export const replay: Command = {
  name: "replay <log>",
  summary: "Replay an event log of a TPM or a TD into the registers that it leads to",
  examples: [
    ["$0 replay /sys/kernel/security/tpm0/binary_bios_measurements", "the log of this machine's TPM"],
    ["$0 replay /sys/firmware/acpi/tables/data/CCEL --events", "that of a TD, with every event"],
  ],
  flags: (parser) =>
    logFlags(parser)
      .positional("log", { type: "string", describe: "A log: TPM 1.2, TPM 2.0 or CCEL", demandOption: true })
      .option("events", { type: "boolean", describe: "List the events too", default: false }),
  async run(flags: Flags, surroundings: Surroundings): Promise<Outcome> {
    const report = await replayEventLog(logChoiceOf(flags, text(flags, "log") ?? ""), surroundings);
    const shown: Partial<ReplayReport> & Pick<ReplayReport, "log"> = { ...report };
    if (!isSet(flags, "events")) delete shown.events;
    return {
      json: { ...shown, eventCount: report.events.length },
      text: (painter) => renderReplay(report, { events: isSet(flags, "events"), painter }),
      exitCode: EXIT.done,
    };
  },
};

/** Flags of every command that reads a log. */
export function logFlags(parser: Argv): Argv {
  return parser.option("ccel", {
    type: "boolean",
    describe: "The log is a TD's, of RTMRs (--no-ccel: a TPM's) [default: told from its content]",
  });
}

/** The log at a path, and what the flags say of it. */
export function logChoiceOf(flags: Flags, path: string) {
  const isCcel = flags["ccel"];
  return { path, ...(typeof isCcel === "boolean" && { kind: isCcel ? ("ccel" as const) : ("tpm" as const) }) };
}
