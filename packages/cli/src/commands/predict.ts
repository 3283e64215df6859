import { predictImage, type Surroundings } from "@cvm-build/image";
import type { Command, Flags, Outcome } from "../command.ts";
import { artifactFlags, artifactsOf, keyFlags, lockFlags, lockPolicyOf, profileFlags, selectionOf } from "../flags.ts";
import { renderMeasurements } from "../render/measurements.ts";
import { platformChoiceOf, platformFlags } from "./measure.ts";

/** `cvm-build predict`: the registers of the image that a profile would build. */
export const predict: Command = {
  name: "predict",
  summary: "Predict the registers of the image that a profile would build, and leave the one that is there alone",
  examples: [
    ["$0 predict --profile minimal --set Content.KernelCommandLine=quiet", "what if: one setting"],
    ["$0 predict --profile reth-node --platform qemu-tdx --firmware OVMF.fd --memory 16G,32G", "two machines"],
  ],
  flags: (parser) => platformFlags(artifactFlags(lockFlags(keyFlags(profileFlags(parser))))),
  async run(flags: Flags, surroundings: Surroundings): Promise<Outcome> {
    const { measurements, made } = await predictImage(
      {
        ...selectionOf(flags),
        lockPolicy: lockPolicyOf(flags),
        artifacts: artifactsOf(flags),
        ...platformChoiceOf(flags),
      },
      surroundings,
    );
    return {
      json: { ...measurements, made },
      text: (painter) => renderMeasurements(measurements, painter),
      exitCode: 0,
    };
  },
};
