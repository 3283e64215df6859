import { explainImage, type Surroundings } from "@cvm-build/image";
import type { Command, Flags, Outcome } from "../command.ts";
import { profileFlags, text } from "../flags.ts";
import { renderExplanation } from "../render/explanation.ts";
import { choiceOf } from "./prove.ts";

/** `cvm-build explain`: where every bit of a register comes from, and which registers a file decides. */
export const explain: Command = {
  name: "explain [register] [image]",
  summary: "Say how a register comes to its value, event by event, or which registers a file decides",
  examples: [
    ["$0 explain pcr11 --profile minimal", "the image that the profile built last"],
    ["$0 explain pcr9 build/minimal --platform qemu-ovmf", "an output directory, one of its platforms"],
    ["$0 explain pcr4 some.efi", "a UKI made by anyone"],
    ["$0 explain --file /usr/bin/reth --profile reth-node", "from a file to the registers"],
  ],
  flags: (parser) =>
    profileFlags(parser)
      .positional("register", { type: "string", describe: "Such as pcr11, rtmr1, mrtd or launchDigest [default: all]" })
      .positional("image", { type: "string", describe: "An output directory or a UKI" })
      .option("file", { type: "string", requiresArg: true, describe: "A file of the image, by its absolute path" })
      .option("platform", { type: "string", requiresArg: true, describe: "A platform [default: the image's first]" }),
  async run(flags: Flags, surroundings: Surroundings): Promise<Outcome> {
    const [file, platform] = [text(flags, "file"), text(flags, "platform")];
    const { register, image } = wordsOf(flags, file !== undefined);
    const explanation = await explainImage(
      {
        choice: choiceOf({ ...flags, image }),
        ...(register !== undefined && { register }),
        ...(file !== undefined && { file }),
        ...(platform !== undefined && { platform }),
      },
      surroundings,
    );
    return { json: explanation, text: (painter) => renderExplanation(explanation, painter), exitCode: 0 };
  },
};

/** Where a file is asked for, no register is: the first word is then the image. */
function wordsOf(flags: Flags, isFile: boolean): { register?: string; image?: string } {
  const [first, second] = [text(flags, "register"), text(flags, "image")];
  const [register, image] = isFile ? [undefined, second ?? first] : [first, second];
  return { ...(register !== undefined && { register }), ...(image !== undefined && { image }) };
}
