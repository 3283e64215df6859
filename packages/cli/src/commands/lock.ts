import { lockImage, type Surroundings } from "@cvm-build/image";
import type { Command, Flags, Outcome } from "../command.ts";
import { artifactFlags, artifactsOf, profileFlags, selectionOf, text } from "../flags.ts";
import { renderLock } from "../render/lock.ts";

/** `cvm-build lock`: resolve afresh, write the lock, and say what changed. */
export const lock: Command = {
  name: "lock",
  summary: "Resolve the profile's packages and artefacts, write cvm.lock, and print what changed",
  examples: [
    ["$0 lock --profile reth-node", "refresh profiles/reth-node/cvm.lock"],
    ["$0 lock --profile minimal --output minimal.lock", "write the lock elsewhere"],
  ],
  flags: (parser) =>
    artifactFlags(profileFlags(parser))
      .option("update", { type: "boolean", describe: "Take what the archive has now; lock always does", default: true })
      .option("output", {
        alias: "o",
        type: "string",
        requiresArg: true,
        describe: "Where to write the lock [default: cvm.lock in the last profile's folder]",
      }),
  async run(flags: Flags, surroundings: Surroundings): Promise<Outcome> {
    const output = text(flags, "output");
    const report = await lockImage(
      { ...selectionOf(flags), artifacts: artifactsOf(flags), ...(output !== undefined && { output }) },
      surroundings,
    );
    return { json: report, text: (painter) => renderLock(report, painter), exitCode: 0 };
  },
};
