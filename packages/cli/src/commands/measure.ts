import { HASH_ALGORITHMS } from "@cvm-build/bytes";
import { measureImage, type Surroundings } from "@cvm-build/image";
import type { Command, Flags, Outcome } from "../command.ts";
import { text, texts } from "../flags.ts";
import { renderPlatform } from "../render/measurements.ts";

/** `cvm-build measure`: the registers of a finished image, from its own bytes. */
export const measure: Command = {
  name: "measure <image>",
  summary: "Predict the registers of a UKI, made by anyone, from its own bytes",
  examples: [
    ["$0 measure build/minimal/minimal.efi", "registers when the system in it reaches no phase"],
    ["$0 measure some.efi --variable-store keys/OVMF_VARS.fd", "where Secure Boot is on: PCR 7 too"],
    ["$0 measure some.efi --phases enter-initrd:leave-initrd:sysinit:ready --bank sha256", "one bank, four phases"],
  ],
  flags: (parser) =>
    parser
      .positional("image", { type: "string", describe: "A UKI", demandOption: true })
      .option("phases", {
        type: "string",
        requiresArg: true,
        describe: "The phase path that the boot reaches",
        default: "",
      })
      .option("variable-store", {
        type: "string",
        requiresArg: true,
        describe: "A variable store of OVMF with enrolled keys [default: Secure Boot is off]",
      })
      .option("bank", {
        type: "string",
        array: true,
        nargs: 1,
        choices: HASH_ALGORITHMS,
        describe: "A TPM bank; several may be given [default: all]",
        default: [],
      }),
  async run(flags: Flags, surroundings: Surroundings): Promise<Outcome> {
    const variableStore = text(flags, "variable-store");
    const report = await measureImage(
      {
        image: text(flags, "image") ?? "",
        phases: (text(flags, "phases") ?? "").split(":").filter(Boolean),
        banks: HASH_ALGORITHMS.filter((bank) => texts(flags, "bank").includes(bank)),
        ...(variableStore !== undefined && { variableStore }),
      },
      surroundings,
    );
    return { json: report, text: (painter) => renderPlatform(report, painter), exitCode: 0 };
  },
};
