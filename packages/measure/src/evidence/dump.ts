import { HASH_ALGORITHMS } from "@cvm-build/bytes";
import type { Evidence } from "./evidence.ts";
import { describeSelections } from "./tpm/reader.ts";

/** Evidence as text: its title, its registers, then everything else that it says, one line each. */
export function dumpEvidence({ title, registers, pcrQuotes, fields, checks, warnings }: Evidence): string {
  const { pcr, mrtd, rtmr = {}, launchDigest } = registers;
  const lines = [
    title,
    ...(mrtd === undefined ? [] : [`mrtd = ${mrtd}`]),
    ...Object.entries(rtmr).map(([index, value]) => `rtmr${index} = ${value}`),
    ...(launchDigest === undefined ? [] : [`launchDigest = ${launchDigest}`]),
    ...HASH_ALGORITHMS.flatMap((bank) =>
      Object.entries(pcr[bank] ?? {}).map(([index, value]) => `pcr${index} ${bank} = ${value}`),
    ),
    ...pcrQuotes.map((quote) => `quote of ${describeSelections(quote.selections)} = ${quote.pcrDigest}`),
    ...Object.entries(fields).map(([name, value]) => `${name} = ${value}`),
    ...checks.map(({ what, holds }) => `${holds ? "holds" : "does not hold"}: ${what}`),
    ...warnings.map((warning) => `warning: ${warning}`),
  ];
  return lines.map((line) => `${line}\n`).join("");
}
