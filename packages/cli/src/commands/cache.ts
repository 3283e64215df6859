import { pruneCache, type Surroundings, verifyCache } from "@cvm-build/image";
import { CvmError } from "@cvm-build/bytes";
import type { Command, Flags, Outcome } from "../command.ts";
import { EXIT } from "../exit-code.ts";
import { text } from "../flags.ts";
import { renderSize } from "../render/size.ts";

const UNIT_BYTES = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 } as const;

/** `cvm-build cache`: bound or check the store. */
export const cache: Command = {
  name: "cache <action>",
  summary: "Bound the store's size, or compare every object in it with its digest",
  examples: [
    ["$0 cache prune --max-size 5G", "remove what was used longest ago, down to 5 GiB"],
    ["$0 cache verify", "read the whole store; damaged objects are set aside and fetched again when needed"],
  ],
  flags: (parser) =>
    parser
      .positional("action", { choices: ["prune", "verify"] as const, describe: "What to do", demandOption: true })
      .option("max-size", { type: "string", requiresArg: true, describe: "Size to keep, such as 5G", default: "10G" }),
  async run(flags: Flags, surroundings: Surroundings): Promise<Outcome> {
    if (text(flags, "action") === "verify") {
      const report = await verifyCache(surroundings);
      const lines = report.damaged.map(({ path }) => `damaged: ${path}\n`).join("");
      const exitCode = report.damaged.length === 0 ? EXIT.done : EXIT.failed;
      return {
        json: report,
        text: () => `${lines}${report.checkedFiles} files, ${report.damaged.length} damaged\n`,
        exitCode,
      };
    }
    const report = await pruneCache({ maxBytes: sizeOf(text(flags, "max-size") ?? "") }, surroundings);
    const message = `removed ${renderSize(report.removedBytes)}, kept ${renderSize(report.keptBytes)}\n`;
    return { json: report, text: () => message, exitCode: EXIT.done };
  },
};

function sizeOf(size: string): number {
  const [, digits, unit] = /^(\d+)([KMGT]?)$/.exec(size) ?? [];
  if (digits !== undefined) return Number(digits) * UNIT_BYTES[unit as keyof typeof UNIT_BYTES];
  throw new CvmError(
    "usage",
    `cannot read flag "--max-size": expected a size such as 500M or 5G, got ${JSON.stringify(size)}`,
  );
}
