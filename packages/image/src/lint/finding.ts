import type { Sha256Hex } from "@cvm-build/bytes";

/** Where a build leaves what it found, beside its image. */
export const LINT_FILE = "lint.json";

/** How much a finding weighs: `error` runs what the host likes, `warning` lets it change what runs, `note` is to be known. */
export const SEVERITIES = ["error", "warning", "note"] as const;
/** One of `SEVERITIES`. */
export type Severity = (typeof SEVERITIES)[number];

/** Where a finding shows. */
export interface Place {
  /** A setting by `Section.Name`, a file of the image by its path, a section of the UKI, a platform by its name. */
  kind: "setting" | "file" | "section" | "platform";
  name: string;
  /** The value, the line or the reason that matters. */
  detail?: string;
  /** Of a setting: where it was written, `profiles/minimal/cvm.conf:20`. */
  at?: string;
}

/** What the host can still influence of an image, and what to do about it. */
export interface Finding {
  rule: string;
  severity: Severity;
  /** What the host can do. */
  host: string;
  /** How it shows in registers. */
  registers: string;
  fix: string;
  places: Place[];
}

/** `lint.json`: what the host can still influence of an image, as far as it was looked at. */
export interface LintReport {
  schema: "cvm-build.lint/1";
  image: { id: string; sha256: Sha256Hex };
  /** The gravest first. */
  findings: Finding[];
  /** Rules that were held against the image. */
  checked: string[];
  /** Rules that could not be, and why. */
  notChecked: { rule: string; reason: string }[];
}
