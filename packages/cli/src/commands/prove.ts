import { type ImageChoice, type MachineOptions, type Proof, proveImage, type Surroundings } from "@cvm-build/image";
import type { Argv } from "yargs";
import type { Command, Flags, Outcome } from "../command.ts";
import { EXIT } from "../exit-code.ts";
import { number, profileFlags, selectionOf, text } from "../flags.ts";
import { renderProof } from "../render/proof.ts";

/** `cvm-build prove`: boot an image under an emulated TPM and hold the real registers against the predicted ones. */
export const prove: Command = {
  name: "prove [image]",
  summary: "Boot an image under QEMU + OVMF + swtpm and compare its registers with the prediction, event by event",
  examples: [
    ["$0 prove --profile minimal", "the image that the profile built last"],
    ["$0 prove build/minimal", "an output directory"],
  ],
  flags: (parser) =>
    proveFlags(profileFlags(parser)).positional("image", { type: "string", describe: "An output directory" }),
  async run(flags: Flags, surroundings: Surroundings): Promise<Outcome> {
    return proofOutcome(await proveImage({ choice: choiceOf(flags), ...proveOptionsOf(flags) }, surroundings));
  },
};

/** Flags of every boot that proves. */
export function proveFlags(parser: Argv): Argv {
  return machineFlags(parser).option("timeout", {
    type: "number",
    requiresArg: true,
    describe: "Seconds that a boot may take",
    default: 180,
  });
}

/** Flags of the machine that an image boots in. */
export function machineFlags(parser: Argv): Argv {
  return parser
    .option("memory", { type: "number", requiresArg: true, describe: "Memory of the machine in MiB", default: 2048 })
    .option("cpus", { type: "number", requiresArg: true, describe: "Processors of the machine", default: 1 })
    .option("firmware", { type: "string", requiresArg: true, describe: "An OVMF image [default: Debian's]" });
}

/** The image that is named, or the one that the selected profiles build. */
export function choiceOf(flags: Flags): ImageChoice {
  const image = text(flags, "image");
  return image === undefined ? { selection: selectionOf(flags) } : { image };
}

/** The machine that the flags ask for. */
export function machineOf(flags: Flags): MachineOptions {
  const firmware = text(flags, "firmware");
  return {
    memoryMiB: number(flags, "memory") ?? 2048,
    cpus: number(flags, "cpus") ?? 1,
    ...(firmware !== undefined && { firmware }),
  };
}

/** How the flags want an image proved. */
export function proveOptionsOf(flags: Flags) {
  return { machine: machineOf(flags), timeoutSec: number(flags, "timeout") ?? 180 };
}

/** A proof as an outcome: exit code 4 where a register differs. */
export function proofOutcome(proof: Proof): Outcome {
  return {
    json: proof,
    text: (painter) => renderProof(proof, painter),
    exitCode: proof.agrees ? EXIT.done : EXIT.differs,
  };
}
