import { lintImage, SEVERITIES, type Severity, type Surroundings } from "@cvm-build/image";
import type { Command, Flags, Outcome } from "../command.ts";
import { EXIT } from "../exit-code.ts";
import { profileFlags, text, texts } from "../flags.ts";
import { renderLint } from "../render/lint.ts";
import { choiceOf } from "./prove.ts";

/** `cvm-build lint`: what the host can still influence of an image, how it would show, and what to do about it. */
export const lint: Command = {
  name: "lint [image]",
  summary: "List what the host can still influence of an image, with severity and fix",
  examples: [
    ["$0 lint --profile reth-node", "the image that the profile built last"],
    ["$0 lint build/reth-node --fail-on warning", "exit code 1 where there is a warning or an error"],
    ["$0 lint some.efi --platform qemu-tdx", "a UKI made by anyone, on a platform"],
    ["$0 lint bzImage --initrd rootfs.cpio.gz --command-line 'console=hvc0' --platform mine", "a kernel, by -kernel"],
  ],
  flags: (parser) =>
    profileFlags(parser)
      .positional("image", { type: "string", describe: "An output directory, a UKI or a kernel" })
      .option("fail-on", {
        type: "string",
        requiresArg: true,
        choices: SEVERITIES,
        describe: "The least severity that makes the exit code 1",
        default: "error",
      })
      .option("initrd", { type: "string", requiresArg: true, describe: "A kernel's initrd" })
      .option("command-line", { type: "string", requiresArg: true, describe: "What a kernel is started with" })
      .option("platform", {
        type: "string",
        array: true,
        nargs: 1,
        describe: "A platform in place of those that the image was built for; several may be given",
        default: [],
      })
      .option("variable-store", {
        type: "string",
        requiresArg: true,
        describe: "A variable store of OVMF with enrolled keys [default: Secure Boot is off]",
      }),
  async run(flags: Flags, surroundings: Surroundings): Promise<Outcome> {
    const [variableStore, initrd] = [text(flags, "variable-store"), text(flags, "initrd")];
    const commandLine = text(flags, "command-line");
    const report = await lintImage(
      {
        choice: choiceOf(flags),
        platforms: texts(flags, "platform"),
        ...(initrd !== undefined && { initrd }),
        ...(commandLine !== undefined && { commandLine }),
        ...(variableStore !== undefined && { variableStore }),
      },
      surroundings,
    );
    const least = SEVERITIES.indexOf(text(flags, "fail-on") as Severity);
    const isBad = report.findings.some(({ severity }) => SEVERITIES.indexOf(severity) <= least);
    return {
      json: report,
      text: (painter) => renderLint(report, painter),
      exitCode: isBad ? EXIT.failed : EXIT.done,
    };
  },
};
