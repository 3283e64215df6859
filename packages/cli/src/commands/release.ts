import { releaseImage, type ReleaseRequest, type Surroundings } from "@cvm-build/image";
import { CvmError } from "@cvm-build/bytes";
import type { Command, Flags, Outcome } from "../command.ts";
import { keyFlags, profileFlags, text } from "../flags.ts";
import { renderRelease } from "../render/release.ts";
import { choiceOf } from "./prove.ts";

/** `cvm-build release`: an image with checksums, SBOMs and provenance, signed. */
export const release: Command = {
  name: "release [image]",
  summary: "Put an image together with checksums, SBOMs and provenance, and sign them",
  examples: [
    ["$0 release --profile reth-node --key release.pem", "into build/reth-node/release/"],
    [
      "$0 release build/reth-node --key command:./kms-sign --minisign-key minisign.key --output dist",
      "a key that lives elsewhere, a minisign signature too, into dist/",
    ],
  ],
  flags: (parser) =>
    keyFlags(profileFlags(parser))
      .positional("image", { type: "string", describe: "An output directory" })
      .option("key", {
        type: "string",
        requiresArg: true,
        describe: "The key that signs: a file, or whoever holds it",
        demandOption: true,
      })
      .option("minisign-key", {
        type: "string",
        requiresArg: true,
        describe: "An Ed25519 key that signs as minisign does, too: minisign's own file, or as --key",
      })
      .option("minisign-passphrase-file", {
        type: "string",
        requiresArg: true,
        describe: "A file with the passphrase of the minisign key [default: --passphrase-file]",
      })
      .option("output", {
        alias: "o",
        type: "string",
        requiresArg: true,
        describe: "Where the release goes [default: release/ in the image's folder]",
      })
      .option("builder-id", { type: "string", requiresArg: true, describe: "A URI that names who built the image" })
      .option("build-time", {
        type: "string",
        requiresArg: true,
        describe: "When the build ended, such as 2026-05-28T08:49:23Z [default: $SOURCE_DATE_EPOCH, else left out]",
      }),
  async run(flags: Flags, surroundings: Surroundings): Promise<Outcome> {
    const report = await releaseImage(requestOf(flags, surroundings), surroundings);
    return { json: report, text: (painter) => renderRelease(report, painter), exitCode: 0 };
  },
};

function requestOf(flags: Flags, { environment }: Surroundings): ReleaseRequest {
  const minisignKey = text(flags, "minisign-key");
  const minisignPassphraseFile = text(flags, "minisign-passphrase-file");
  const output = text(flags, "output");
  const builderId = builderOf(flags);
  const finishedOn = buildTimeOf(flags, environment["SOURCE_DATE_EPOCH"]);
  return {
    choice: choiceOf(flags),
    key: text(flags, "key") ?? "",
    ...(minisignKey !== undefined && { minisignKey }),
    ...(minisignPassphraseFile !== undefined && { minisignPassphraseFile }),
    ...(output !== undefined && { output }),
    ...(builderId !== undefined && { builderId }),
    ...(finishedOn !== undefined && { finishedOn }),
  };
}

function builderOf(flags: Flags): string | undefined {
  const id = text(flags, "builder-id");
  if (id === undefined || URL.canParse(id)) return id;
  throw new CvmError(
    "usage",
    `cannot read flag "--builder-id": expected a URI such as https://example.org/ci, got ${JSON.stringify(id)}`,
  );
}

function buildTimeOf(flags: Flags, epoch: string | undefined): string | undefined {
  const given = text(flags, "build-time");
  if (given === undefined)
    return epoch && /^\d{1,11}$/.test(epoch) ? timestamp(new Date(Number(epoch) * 1000)) : undefined;
  const time = new Date(given);
  if (/^\d{4}-\d\d-\d\dT/.test(given) && !Number.isNaN(time.getTime())) return timestamp(time);
  throw new CvmError(
    "usage",
    `cannot read flag "--build-time": expected a time such as 2026-05-28T08:49:23Z, got ${JSON.stringify(given)}`,
  );
}

/** RFC 3339 in UTC, whole seconds. */
function timestamp(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, "Z");
}
