import { type Finding, type LintReport, SEVERITIES } from "./finding.ts";
import type { Subject } from "./subject.ts";
import { RULES } from "./table.ts";

/** Holds every rule against an image. */
export function runRules(subject: Subject, image: LintReport["image"]): LintReport {
  const findings: Finding[] = [];
  const checked: string[] = [];
  const notChecked: LintReport["notChecked"] = [];
  for (const { id, needs, find, ...texts } of RULES) {
    const missing = needs.find((need) => subject[need] === undefined);
    if (missing !== undefined) {
      notChecked.push({ rule: id, reason: subject.unknown[missing] ?? `nothing is known of its ${missing}` });
      continue;
    }
    checked.push(id);
    const places = find(subject);
    if (places.length > 0) findings.push({ rule: id, ...texts, places });
  }
  findings.sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
  return { schema: "cvm-build.lint/1", image, findings, checked, notChecked };
}
