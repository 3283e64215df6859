import { type SignatureHash, signImage, type SignReport, type Surroundings } from "@cvm-build/image";
import type { Command, Flags, Outcome } from "../command.ts";
import { isSet, keyFlags, text } from "../flags.ts";
import type { Painter } from "../render/painter.ts";
import { renderSize } from "../render/size.ts";

/** The digests of signatures, without loading what signs. */
const HASHES = Object.keys({ sha256: true, sha384: true, sha512: true } satisfies Record<SignatureHash, true>);

/** `cvm-build sign`: an image, signed for Secure Boot. */
export const sign: Command = {
  name: "sign <image>",
  summary: "Sign a UKI, an add-on or any other EFI image for Secure Boot",
  examples: [
    ["$0 sign node.efi --key keys/db.key --cert keys/db.crt --output node.signed.efi", "a key in a file"],
    ["$0 sign node.efi --key 'pkcs11:token=release;object=db' --cert db.crt --output node.efi", "a key in a token"],
  ],
  flags: (parser) =>
    keyFlags(parser)
      .positional("image", { type: "string", describe: "An EFI image", demandOption: true })
      .option("key", {
        type: "string",
        requiresArg: true,
        demandOption: true,
        describe: "The private key: a file, or whoever holds it",
      })
      .option("cert", {
        type: "string",
        requiresArg: true,
        demandOption: true,
        describe: "Its certificate, with the chain behind it",
      })
      .option("output", {
        alias: "o",
        type: "string",
        requiresArg: true,
        demandOption: true,
        describe: "Where the signed image goes; may be the image itself",
      })
      .option("hash", { type: "string", choices: HASHES, describe: "Digest of image and signature", default: "sha256" })
      .option("detached", { type: "boolean", describe: "Write the signature alone", default: false })
      .option("timestamp", {
        type: "string",
        requiresArg: true,
        describe: "Address of an RFC 3161 authority that says when it was signed; then no two signatures are equal",
      }),
  async run(flags: Flags, surroundings: Surroundings): Promise<Outcome> {
    const timestampUrl = text(flags, "timestamp");
    const report = await signImage(
      {
        image: text(flags, "image") ?? "",
        output: text(flags, "output") ?? "",
        key: text(flags, "key") ?? "",
        certificate: text(flags, "cert") ?? "",
        hash: (text(flags, "hash") ?? "sha256") as SignatureHash,
        detached: isSet(flags, "detached"),
        ...(timestampUrl !== undefined && { timestampUrl }),
      },
      surroundings,
    );
    return { json: report, text: (painter) => renderSigned(report, painter), exitCode: 0 };
  },
};

function renderSigned({ output, sha256, sizeBytes, subject }: SignReport, painter: Painter): string {
  return `${painter("bold", output)}  ${renderSize(sizeBytes)}\nsha256  ${sha256}\nsigner  ${subject}\n`;
}
