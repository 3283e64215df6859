import { inspectImage, type Surroundings } from "@cvm-build/image";
import type { Command, Flags, Outcome } from "../command.ts";
import { text } from "../flags.ts";
import { renderInspection } from "../render/inspection.ts";

/** `cvm-build inspect`: what is in a UKI, whoever made it. */
export const inspect: Command = {
  name: "inspect <image>",
  summary: "Print a UKI's stub, sections and digests",
  examples: [["$0 inspect build/minimal/minimal.efi", "sections, sizes, digests, command line, stub version"]],
  flags: (parser) =>
    parser.positional("image", { type: "string", describe: "A UKI, made by anyone", demandOption: true }),
  async run(flags: Flags, surroundings: Surroundings): Promise<Outcome> {
    const report = await inspectImage({ image: text(flags, "image") ?? "" }, surroundings);
    return { json: report, text: (painter) => renderInspection(report, painter), exitCode: 0 };
  },
};
