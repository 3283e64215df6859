import { type Surroundings, verifyRelease as verify } from "@cvm-build/image";
import type { Command, Flags, Outcome } from "../command.ts";
import { EXIT } from "../exit-code.ts";
import { text } from "../flags.ts";
import { renderVerification } from "../render/release.ts";

/** `cvm-build verify-release`: whether a release is what its builder signed. */
export const verifyRelease: Command = {
  name: "verify-release <directory>",
  summary: "Verify a release: its signatures, every file, and that its documents agree",
  examples: [
    ["$0 verify-release dist --key release-key.pem", "with a key that you have from its builder, not from dist/"],
    ["$0 verify-release dist --key release-key.pem --minisign-key minisign.pub", "the minisign signature as well"],
  ],
  flags: (parser) =>
    parser
      .positional("directory", { type: "string", describe: "The release", demandOption: true })
      .option("key", {
        type: "string",
        requiresArg: true,
        describe: "The builder's public key or certificate (PEM)",
        demandOption: true,
      })
      .option("minisign-key", {
        type: "string",
        requiresArg: true,
        describe: "The builder's minisign public key, as a file or as minisign -P takes it",
      }),
  async run(flags: Flags, surroundings: Surroundings): Promise<Outcome> {
    const minisignKey = text(flags, "minisign-key");
    const verification = await verify(
      {
        directory: text(flags, "directory") ?? "",
        key: text(flags, "key") ?? "",
        ...(minisignKey !== undefined && { minisignKey }),
      },
      surroundings,
    );
    return {
      json: verification,
      text: (painter) => renderVerification(verification, painter),
      exitCode: verification.verified ? EXIT.done : EXIT.failed,
    };
  },
};
