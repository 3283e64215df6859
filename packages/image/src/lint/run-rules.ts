import { type Finding, type LintReport, type Place, SEVERITIES } from "./finding.ts";
import type { Rule } from "./rule.ts";
import type { Need, Subject } from "./subject.ts";
import { RULES } from "./table.ts";

const IN_INITRD = "in the initrd";

/** Holds every rule against an image; those on files against its initrd as well, where that leads to another system. */
export function runRules(subject: Subject, image: LintReport["image"]): LintReport {
  const findings: Finding[] = [];
  const checked: string[] = [];
  const notChecked: LintReport["notChecked"] = [];
  for (const rule of RULES) {
    const { id, severity, host, registers, fix } = rule;
    const missing = missingNeed(rule, subject);
    if (missing === undefined) checked.push(id);
    else notChecked.push({ rule: id, reason: subject.unknown[missing] ?? `nothing is known of its ${missing}` });
    const places = [...(missing === undefined ? rule.find(subject) : []), ...placesInInitrd(rule, subject)];
    if (places.length > 0) {
      findings.push({ rule: id, severity, host, registers, fix, places: distinct(places) });
    }
  }
  findings.sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
  return { schema: "cvm-build.lint/1", image, findings, checked, notChecked };
}

function missingNeed({ needs }: Rule, subject: Subject): Need | undefined {
  return needs.find((need) => subject[need] === undefined);
}

/** What a rule on files finds in an initrd that leads to another system. */
function placesInInitrd(rule: Rule, { initrd, ...subject }: Subject): Place[] {
  const early = { ...subject, ...(initrd && { initrd, tree: initrd }) };
  if (!initrd || !rule.needs.includes("tree") || missingNeed(rule, early) !== undefined) return [];
  return rule.find(early).map((place) => {
    const { kind, detail } = place;
    return kind === "file" ? { ...place, detail: detail === undefined ? IN_INITRD : `${detail}, ${IN_INITRD}` } : place;
  });
}

/** Settings are the same for both. */
function distinct(places: readonly Place[]): Place[] {
  return [...new Map(places.map((place) => [JSON.stringify(place), place])).values()];
}
