import { type Surroundings, summarise } from "@cvm-build/image";
import type { Command, Flags, Outcome } from "../command.ts";
import { profileFlags, selectionOf } from "../flags.ts";
import { renderSummary } from "../render/summary.ts";

/** `cvm-build summary`: the merged configuration and where each value came from. */
export const summary: Command = {
  name: "summary",
  summary: "Print the merged configuration and where each value came from",
  examples: [
    ["$0 summary --profile reth-node --profile dev", "what the stack of two profiles means"],
    ["$0 -C ../some-mkosi-tree summary", "read a tree of mkosi's own, and list what cvm-build does not support"],
  ],
  flags: profileFlags,
  async run(flags: Flags, surroundings: Surroundings): Promise<Outcome> {
    const report = summarise(selectionOf(flags), surroundings);
    return { json: report, text: (painter) => renderSummary(report, painter), exitCode: 0 };
  },
};
