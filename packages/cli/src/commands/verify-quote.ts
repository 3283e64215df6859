import { type Surroundings, verifyQuote as verifyEvidence } from "@cvm-build/image";
import type { Command, Flags, Outcome } from "../command.ts";
import { EXIT } from "../exit-code.ts";
import { text } from "../flags.ts";
import { renderQuoteVerification } from "../render/quote-verification.ts";
import { logChoiceOf, logFlags } from "./replay.ts";
import { publishedFlags, publishedOf } from "./verify-log.ts";

/** `cvm-build verify-quote`: are the registers in a quote or report those that were published? Signatures are not checked. */
export const verifyQuote: Command = {
  name: "verify-quote <evidence>",
  summary:
    "Compare the registers in a quote, report or attestation with those published for an image; check no signature",
  examples: [
    ["$0 verify-quote quote.dat --image build/minimal --log CCEL", "a TDX quote, with the TD's log"],
    ["$0 verify-quote quote.msg --pcrs quote.pcrs --image measurements.json", "what tpm2_quote writes"],
    ["$0 verify-quote report.bin --image build/minimal --platform qemu-snp", "an SEV-SNP report"],
  ],
  flags: (parser) =>
    publishedFlags(logFlags(parser))
      .positional("evidence", {
        type: "string",
        describe:
          "A TDX quote or TDREPORT, an SEV-SNP report, a TPM quote, or what Azure, gotpm, NitroTPM or dstack give",
        demandOption: true,
      })
      .option("pcrs", {
        type: "string",
        requiresArg: true,
        describe: "The PCR values of a TPM's quote: of tpm2_quote --pcrs, of tpm2_pcrread, or JSON",
      })
      .option("log", { type: "string", requiresArg: true, describe: "The machine's event log" }),
  async run(flags: Flags, surroundings: Surroundings): Promise<Outcome> {
    const [pcrs, log] = [text(flags, "pcrs"), text(flags, "log")];
    const request = {
      evidence: text(flags, "evidence") ?? "",
      published: publishedOf(flags),
      ...(pcrs !== undefined && { pcrs }),
      ...(log !== undefined && { log: logChoiceOf(flags, log) }),
    };
    const report = await verifyEvidence(request, surroundings);
    return {
      json: report,
      text: (painter) => renderQuoteVerification(report, painter),
      exitCode: report.agrees ? EXIT.done : EXIT.differs,
    };
  },
};
