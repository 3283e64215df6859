import { type Finding, type LintReport, type Place, SEVERITIES, type Severity } from "@cvm-build/image";
import type { Painter } from "./painter.ts";

const COLOURS = { error: "red", warning: "yellow", note: "cyan" } as const satisfies Record<Severity, string>;
/** How many places of one finding a person wants to see at once; `--json` has them all. */
const PLACES_SHOWN = 12;

/** Each finding with where it shows and what to do, then what was not looked at. */
export function renderLint({ findings, checked, notChecked }: LintReport, painter: Painter): string {
  const reasons = Map.groupBy(notChecked, ({ reason }) => reason);
  return [
    ...findings.map((finding) => renderFinding(finding, painter)),
    `${countsOf(findings)}; ${checked.length} rules held against the image\n`,
    ...[...reasons].map(
      ([reason, rules]) =>
        `${painter("dim", "not checked:")} ${rules.map(({ rule }) => rule).join(", ")} (${reason})\n`,
    ),
  ].join("");
}

/** What a build says: errors and warnings, one line each. */
export function renderLintBriefly({ findings }: LintReport, painter: Painter): string {
  const shown = findings.filter(({ severity }) => severity !== "note");
  const lines = shown.map((finding) => `${titleOf(finding, painter)} the host can ${finding.host}\n`);
  const more = findings.length === 0 ? "" : "; cvm-build lint says more";
  return [...lines, `${painter("dim", "lint")}       ${countsOf(findings)}${more}\n`].join("");
}

function renderFinding(finding: Finding, painter: Painter): string {
  const { host, registers, fix, places } = finding;
  const left = places.length - PLACES_SHOWN;
  return [
    `${titleOf(finding, painter)} the host can ${host}\n`,
    ...places.slice(0, PLACES_SHOWN).map((place) => `    at: ${placeText(place)}\n`),
    left > 0 ? `    … ${left} more\n` : "",
    `    registers: ${registers}\n`,
    `    fix: ${fix}\n`,
  ].join("");
}

function titleOf({ severity, rule }: Finding, painter: Painter): string {
  return `${painter(COLOURS[severity], `${severity}:`)} ${painter("bold", rule)}:`;
}

function placeText({ kind, name, detail, at }: Place): string {
  const value = detail === undefined ? "" : kind === "setting" ? `=${detail}` : `: ${detail}`;
  const what = kind === "platform" || kind === "section" ? `${kind} ${name}` : name;
  return `${what}${value}${at === undefined ? "" : ` (${at})`}`;
}

/** `1 error, 2 warnings, 5 notes`. */
function countsOf(findings: readonly Finding[]): string {
  return SEVERITIES.map((severity) => {
    const count = findings.filter((finding) => finding.severity === severity).length;
    return `${count} ${severity}${count === 1 ? "" : "s"}`;
  }).join(", ");
}
