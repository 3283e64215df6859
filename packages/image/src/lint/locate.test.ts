import type { MergedSetting } from "@cvm-build/profile";
import { expect, it } from "vitest";
import type { LintReport, Place } from "./finding.ts";
import { locateFindings } from "./locate.ts";

const SETTINGS: MergedSetting[] = [
  {
    section: "Content",
    name: "KernelCommandLine",
    value: ["quiet", "rd.break", "panic=1"],
    sources: [{ file: "base/cvm.conf", line: 3 }, { file: "cvm.conf", line: 9, column: 4 }, { file: "command line" }],
    isDefault: false,
  },
  { section: "Storage", name: "Integrity", value: "no", sources: [], isDefault: true },
  {
    section: "Storage",
    name: "DataDisk",
    value: "serial:a",
    sources: [{ file: "cvm.conf", line: 20 }],
    isDefault: false,
  },
];

it.each<[string, Place, string | undefined]>([
  [
    "of the word that matters",
    { kind: "setting", name: "Content.KernelCommandLine", detail: "rd.break" },
    "cvm.conf:9",
  ],
  [
    "of the last assignment, for a word that is missing",
    { kind: "setting", name: "Content.KernelCommandLine" },
    "command line",
  ],
  ["of a single value", { kind: "setting", name: "Storage.DataDisk", detail: "serial:a" }, "cvm.conf:20"],
  ["of a default: nowhere", { kind: "setting", name: "Storage.Integrity" }, undefined],
  ["of a file: nowhere", { kind: "file", name: "/etc/fstab" }, undefined],
])("finds the line %s", (_, place, at) => {
  const report: LintReport = {
    schema: "cvm-build.lint/1",
    image: { id: "a", sha256: "00" as LintReport["image"]["sha256"] },
    findings: [{ rule: "a", severity: "note", host: "", registers: "", fix: "", places: [place] }],
    checked: ["a"],
    notChecked: [],
  };
  expect(locateFindings(report, SETTINGS).findings[0]?.places).toEqual([at === undefined ? place : { ...place, at }]);
});
