import type { QuoteVerification, RegisterVerdict } from "@cvm-build/image";
import { phaseText, renderAgreement, renderComparedRegisters } from "./log-verification.ts";
import { registerTitle } from "./measurements.ts";
import type { Painter } from "./painter.ts";
import { renderTable } from "./table.ts";

/** Registers of evidence beside those that were published, what the evidence says of itself, and what nobody checked. */
export function renderQuoteVerification(report: QuoteVerification, painter: Painter): string {
  const { registers, unresolved, checks, warnings, log, unchecked, agrees } = report;
  const compared = registers.filter(({ verdict }) => verdict !== "unpublished");
  const differing = compared.filter(({ verdict }) => verdict === "differs");
  const verdict = agrees
    ? painter("green", "the registers are those that were published")
    : painter("red", "the evidence is not that of the image as published");
  return [
    `${painter("bold", report.evidence)}: ${report.title}\n`,
    `against ${report.image.id} ${report.image.version} on ${report.platform}\n`,
    renderTable(
      [{ heading: "register" }, { heading: "bank" }, { heading: "value" }, { heading: "" }],
      compared.map((each) => [registerTitle(each.register), each.bank, each.found, verdictText(each, painter)]),
    ),
    ...differing.map((each) => renderDiffering(each, painter)),
    ...unresolved.map(
      (selection) => `${painter("red", "the quoted digest is not that of the published values:")} ${selection}\n`,
    ),
    renderGaps(report, painter),
    ...checks.map(
      ({ what, holds }) => `${holds ? painter("green", "holds") : painter("red", "does not hold")}: ${what}\n`,
    ),
    ...warnings.map((warning) => `${painter("yellow", "note:")} ${warning}\n`),
    log ? renderAgreement(log.agreement, painter) : "",
    log && !agrees ? renderComparedRegisters(log.registers, painter) : "",
    `${painter("yellow", "not checked:")} ${unchecked.join("; ")}\n`,
    `${verdict}\n`,
  ].join("");
}

function verdictText({ verdict }: RegisterVerdict, painter: Painter): string {
  return verdict === "equal" ? painter("green", "equal") : painter("red", "differs");
}

function renderDiffering({ register, bank, published, reachedPhase }: RegisterVerdict, painter: Painter): string {
  const phase = reachedPhase === undefined ? "" : `; the quoted value is that ${phaseText(reachedPhase)}`;
  return `${registerTitle(register)} ${bank} was published as ${painter("green", published ?? "")}${phase}\n`;
}

/** What only one side has. */
function renderGaps({ registers, missing, notCovered }: QuoteVerification, painter: Painter): string {
  const unpublished = registers.filter(({ verdict }) => verdict === "unpublished").map(({ register }) => register);
  const titles = (names: readonly string[]) => [...new Set(names)].map(registerTitle).join(", ");
  return [
    missing.length > 0
      ? `${painter("red", "published, and not in the evidence, so that anything may be in them:")} ${titles(missing)}\n`
      : "",
    unpublished.length > 0 ? painter("dim", `not compared, since not published: ${titles(unpublished)}\n`) : "",
    notCovered.length > 0
      ? painter("dim", `published, and of another kind than the evidence: ${titles(notCovered)}\n`)
      : "",
  ].join("");
}
