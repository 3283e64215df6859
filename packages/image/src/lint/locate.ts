import type { MergedSetting, SourcePosition } from "@cvm-build/profile";
import type { LintReport, Place } from "./finding.ts";

/** Adds to the settings among places where they were written: that is looked up when it is shown, as lines move. */
export function locateFindings(report: LintReport, settings: readonly MergedSetting[]): LintReport {
  const located = (place: Place): Place => {
    const at = place.kind === "setting" ? positionOf(place, settings) : undefined;
    return at === undefined ? place : { ...place, at };
  };
  return { ...report, findings: report.findings.map((each) => ({ ...each, places: each.places.map(located) })) };
}

/** Of the item that matters, or of the last assignment. */
function positionOf({ name, detail }: Place, settings: readonly MergedSetting[]): string | undefined {
  const setting = settings.find((each) => `${each.section}.${each.name}` === name);
  if (!setting) return undefined;
  const index = Array.isArray(setting.value) && detail !== undefined ? setting.value.indexOf(detail) : -1;
  const source = setting.sources[index] ?? setting.sources.at(-1);
  return source && show(source);
}

function show({ file, line }: SourcePosition): string {
  return line === undefined ? file : `${file}:${line}`;
}
