import { diffImage, type Difference, type Surroundings } from "@cvm-build/image";
import type { Command, Flags, Outcome } from "../command.ts";
import { EXIT } from "../exit-code.ts";
import { text } from "../flags.ts";
import { renderDifference } from "../render/difference.ts";
import { renderLogVerification } from "../render/log-verification.ts";
import type { Painter } from "../render/painter.ts";
import { renderQuoteVerification } from "../render/quote-verification.ts";

/** `cvm-build diff`: which registers of an image differ from another's, or a machine's, by which events, and what made them. */
export const diff: Command = {
  name: "diff <a> <b>",
  summary:
    "Say which registers of two images differ, by which events, packages and files; or an image's and a machine's",
  examples: [
    ["$0 diff build/minimal old/minimal", "two output directories; exit code 4 where a register differs"],
    ["$0 diff build/minimal binary_bios_measurements", "an image, and the event log of a machine that booted it"],
    ["$0 diff build/minimal quote.dat --platform gcp-tdx", "an image, and a machine's quote"],
  ],
  flags: (parser) =>
    parser
      .positional("a", { type: "string", describe: "An output directory", demandOption: true })
      .positional("b", { type: "string", describe: "Another, or an event log, quote or report", demandOption: true })
      .option("platform", {
        type: "string",
        requiresArg: true,
        describe: "What the machine is [default: the only platform that fits]",
      }),
  async run(flags: Flags, surroundings: Surroundings): Promise<Outcome> {
    const platform = text(flags, "platform");
    const request = {
      a: text(flags, "a") ?? "",
      b: text(flags, "b") ?? "",
      ...(platform !== undefined && { platform }),
    };
    const difference = await diffImage(request, surroundings);
    return {
      json: difference,
      text: (painter) => render(difference, painter),
      exitCode: isSame(difference) ? EXIT.done : EXIT.differs,
    };
  },
};

function isSame(difference: Difference): boolean {
  return difference.against === "image" ? difference.registers.length === 0 : difference.agrees;
}

function render(difference: Difference, painter: Painter): string {
  switch (difference.against) {
    case "image":
      return renderDifference(difference, painter);
    case "log":
      return renderLogVerification(difference, painter);
    case "quote":
      return renderQuoteVerification(difference, painter);
  }
}
