import { type SignatureReport, type Surroundings, verifyImage, type VerifyImageReport } from "@cvm-build/image";
import type { Command, Flags, Outcome } from "../command.ts";
import { EXIT } from "../exit-code.ts";
import { text, texts } from "../flags.ts";
import type { Painter } from "../render/painter.ts";

/** `cvm-build verify`: would firmware that trusts these certificates start the image? */
export const verify: Command = {
  name: "verify <image>",
  summary: "Verify the signatures of an EFI image as firmware with these certificates in db would",
  examples: [
    ["$0 verify node.efi --cert keys/db.crt", "exit code 1 where no signature is right and trusted"],
    ["$0 verify node.efi --cert ca.crt --detached node.p7s", "a signature beside its image"],
  ],
  flags: (parser) =>
    parser
      .positional("image", { type: "string", describe: "An EFI image", demandOption: true })
      .option("cert", {
        type: "string",
        array: true,
        nargs: 1,
        demandOption: true,
        describe: "A certificate to trust: the signer's own, or its authority's",
      })
      .option("timestamp-cert", {
        type: "string",
        array: true,
        nargs: 1,
        describe: "A certificate of an authority that says when images were signed",
        default: [],
      })
      .option("detached", {
        type: "string",
        requiresArg: true,
        describe: "The signature, where it is not in the image",
      }),
  async run(flags: Flags, surroundings: Surroundings): Promise<Outcome> {
    const detached = text(flags, "detached");
    const request = {
      image: text(flags, "image") ?? "",
      certificates: texts(flags, "cert"),
      timestampCertificates: texts(flags, "timestamp-cert"),
      ...(detached !== undefined && { detached }),
    };
    const report = await verifyImage(request, surroundings);
    return {
      json: report,
      text: (painter) => renderVerified(report, painter),
      exitCode: report.isTrusted ? EXIT.done : EXIT.failed,
    };
  },
};

function renderVerified({ image, isTrusted, signatures }: VerifyImageReport, painter: Painter): string {
  const verdict = isTrusted
    ? painter("green", "verified: firmware that trusts these certificates starts the image")
    : painter(
        "red",
        `not verified: ${signatures.length === 0 ? "the image is not signed" : "no signature is trusted"}`,
      );
  return [
    `${painter("bold", image)}\n`,
    ...signatures.map((each) => renderSignature(each, painter)),
    `${verdict}\n`,
  ].join("");
}

function renderSignature(signature: SignatureReport, painter: Painter): string {
  const { isTrusted, subject, algorithm, chain, problem, timestamp } = signature;
  const state = isTrusted ? painter("green", "trusted") : painter("red", problem ?? "by nobody who is trusted");
  return [
    `signature  ${[subject ?? "no certificate", algorithm, state].filter(Boolean).join(", ")}\n`,
    chain.length > 1 ? `  chain    ${chain.join(" ← ")}\n` : "",
    timestamp === undefined
      ? ""
      : `  made     ${timestamp.time}, says ${timestamp.isTrusted ? "a trusted" : "an unknown"} authority\n`,
  ].join("");
}
