import { buildImage, type BuildRequest, proveImage, type Surroundings } from "@cvm-build/image";
import type { Argv } from "yargs";
import type { Command, Flags, Outcome } from "../command.ts";
import {
  artifactFlags,
  artifactsOf,
  isSet,
  keyFlags,
  lockFlags,
  lockPolicyOf,
  profileFlags,
  selectionOf,
} from "../flags.ts";
import { renderBuild } from "../render/build.ts";
import { proofOutcome, proveFlags, proveOptionsOf } from "./prove.ts";

/** `cvm-build [build]`: from profiles to an image and its registers. */
export const build: Command = {
  name: ["build", "$0"],
  summary: "Build an image and say what its registers will be",
  examples: [
    ["$0 --profile reth-node", "build profiles/reth-node into build/reth-node/"],
    ["$0 --profile reth-node --profile dev --prove", "build the development image and boot it to prove the registers"],
    ["$0 --profile reth-node --set Content.Hostname=node1", "one setting on top of the files"],
    [
      "$0 --profile reth-node --artifact reth=./reth.deb",
      "supply an artefact by hand; its digest must be the locked one",
    ],
  ],
  flags: (parser: Argv) =>
    proveFlags(buildFlags(parser)).option("prove", {
      type: "boolean",
      describe: "Then boot the image under QEMU and compare the registers",
      default: false,
    }),
  async run(flags: Flags, surroundings: Surroundings): Promise<Outcome> {
    const report = await buildImage(buildRequestOf(flags), surroundings);
    const built: Outcome = { json: report, text: (painter) => renderBuild(report, painter), exitCode: 0 };
    if (!isSet(flags, "prove")) return built;
    const proved = proofOutcome(
      await proveImage({ choice: { image: report.directory }, ...proveOptionsOf(flags) }, surroundings),
    );
    return {
      json: { build: built.json, proof: proved.json },
      text: (painter) => `${built.text(painter)}\n${proved.text(painter)}`,
      exitCode: proved.exitCode,
    };
  },
};

/** Flags of the commands that build. */
export function buildFlags(parser: Argv): Argv {
  return keyFlags(artifactFlags(lockFlags(profileFlags(parser)))).option("force", {
    type: "boolean",
    describe: "Build even where nothing changed",
    default: false,
  });
}

/** The build that the flags ask for. */
export function buildRequestOf(flags: Flags): BuildRequest {
  return {
    ...selectionOf(flags),
    lockPolicy: lockPolicyOf(flags),
    artifacts: artifactsOf(flags),
    force: isSet(flags, "force"),
  };
}
