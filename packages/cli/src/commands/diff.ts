import { diffImages, type Surroundings } from "@cvm-build/image";
import type { Command, Flags, Outcome } from "../command.ts";
import { EXIT } from "../exit-code.ts";
import { text } from "../flags.ts";
import { renderDifference } from "../render/difference.ts";

/** `cvm-build diff`: which registers of two images differ, by which events, and what made them. */
export const diff: Command = {
  name: "diff <a> <b>",
  summary: "Say which registers of two images differ, by which events, and which packages and files caused it",
  examples: [
    ["$0 diff build/minimal old/minimal", "two output directories"],
    ["$0 diff build/minimal old/minimal --json", "for machines; exit code 4 where a register differs"],
  ],
  flags: (parser) =>
    parser
      .positional("a", { type: "string", describe: "An output directory", demandOption: true })
      .positional("b", { type: "string", describe: "Another", demandOption: true }),
  async run(flags: Flags, surroundings: Surroundings): Promise<Outcome> {
    const difference = await diffImages(
      { a: { image: text(flags, "a") ?? "" }, b: { image: text(flags, "b") ?? "" } },
      surroundings,
    );
    return {
      json: difference,
      text: (painter) => renderDifference(difference, painter),
      exitCode: difference.registers.length === 0 ? EXIT.done : EXIT.differs,
    };
  },
};
