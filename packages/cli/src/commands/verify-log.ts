import { type Surroundings, verifyLog as verifyEventLog } from "@cvm-build/image";
import type { Argv } from "yargs";
import type { Command, Flags, Outcome } from "../command.ts";
import { EXIT } from "../exit-code.ts";
import { text } from "../flags.ts";
import { renderLogVerification } from "../render/log-verification.ts";
import { logChoiceOf, logFlags } from "./replay.ts";

/** `cvm-build verify-log`: did the machine measure what was predicted? */
export const verifyLog: Command = {
  name: "verify-log <log>",
  summary: "Compare a machine's event log with an image's published registers, event by event",
  examples: [
    ["$0 verify-log binary_bios_measurements --image build/minimal", "exit code 4 where something differs"],
    [
      "$0 verify-log log --image measurements.json --pcrs pcrs.txt",
      "with the machine's own registers, of tpm2_pcrread",
    ],
  ],
  flags: (parser) =>
    publishedFlags(logFlags(parser))
      .positional("log", { type: "string", describe: "A log: TPM 1.2, TPM 2.0 or CCEL", demandOption: true })
      .option("pcrs", {
        type: "string",
        requiresArg: true,
        describe: "The machine's PCR values: what tpm2_pcrread prints, or JSON [default: those of the log]",
      }),
  async run(flags: Flags, surroundings: Surroundings): Promise<Outcome> {
    const pcrs = text(flags, "pcrs");
    const request = {
      log: logChoiceOf(flags, text(flags, "log") ?? ""),
      published: publishedOf(flags),
      ...(pcrs !== undefined && { pcrs }),
    };
    const report = await verifyEventLog(request, surroundings);
    return {
      json: report,
      text: (painter) => renderLogVerification(report, painter),
      exitCode: report.agrees ? EXIT.done : EXIT.differs,
    };
  },
};

/** Flags of every command that compares with what was published. */
export function publishedFlags(parser: Argv): Argv {
  return parser
    .option("image", {
      type: "string",
      requiresArg: true,
      demandOption: true,
      describe: "An output directory, or a measurements.json from wherever it was published",
    })
    .option("platform", {
      type: "string",
      requiresArg: true,
      describe: "A platform that the image was measured for, or one machine of it [default: the only one that fits]",
    });
}

/** What the flags say was published. */
export function publishedOf(flags: Flags) {
  const platform = text(flags, "platform");
  return { image: text(flags, "image") ?? "", ...(platform !== undefined && { platform }) };
}
