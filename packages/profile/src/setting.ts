import { compareCodeUnits } from "@cvm-build/bytes";
import type { OutputFormat } from "./output-format.ts";
import type { Profile } from "./profile.ts";
import type { ItemKind, ValueContext } from "./value-kind.ts";
import { ValueFault } from "./value-fault.ts";
import { splitShellWords, splitWords, type Word } from "./word.ts";

/** The groups of settings in a profile. */
export const SETTINGS_GROUPS = [
  "distribution",
  "output",
  "content",
  "uki",
  "validation",
  "measure",
  "storage",
  "disk",
  "initOverlay",
  "pmem",
  "extension",
] as const;
type SettingsGroup = (typeof SETTINGS_GROUPS)[number];

/** A field of the profile that a setting fills, such as `content.packages`. */
export type ProfileField = { [G in SettingsGroup]: `${G}.${keyof Profile[G] & string}` }[SettingsGroup];

/** The type of a profile's field, without undefined. */
export type FieldValue<F extends ProfileField> = F extends `${infer G extends SettingsGroup}.${infer K}`
  ? K extends keyof Profile[G]
    ? NonNullable<Profile[G][K]>
    : never
  : never;

/** How the text of a setting becomes items, how items of many assignments become one value. */
export interface ValueKind<T> {
  item: ItemKind<any>;
  /** Splits the lines of an assignment, joined by newlines. No words at all reset the setting. */
  split(text: string): Word[];
  /** `last` assignment wins, items are appended, or each replaces the earlier one with its key. */
  merge: "last" | "append" | "by-key";
  /** For `by-key`. */
  key?(item: any): string;
  collect(items: readonly any[]): T;
  /** Completes "…" in the reference of settings. */
  shape: string;
}

/** How a condition compares with a setting's value. */
export type MatchRule = "equal" | "contains" | "glob" | "version" | "variable" | "architecture" | "feature";

/** What defaults are made from. */
export interface DefaultContext {
  hostArchitecture: "x86-64" | "arm64";
  /** Absolute; the working directory. */
  invocationDirectory: string;
  /** Gives the value so far of another setting, by `Section.Name`. */
  value(setting: string): unknown;
}

/** One row of the table of settings. */
export interface SettingRow<T = any> {
  section: string;
  name: string;
  kind: ValueKind<T>;
  /** What it does, in one sentence for the reference. */
  summary: string;
  /** The field that it fills; none for settings that steer the reading itself. */
  field?: ProfileField;
  /** Absent: undefined, or nothing for a list. */
  default?(context: DefaultContext): T;
  /** Words for a default that depends on something. */
  defaultNote?: string;
  /** The default is ours alone: to conditions and specifiers the setting has no value until one is assigned, as in mkosi. */
  isDefaultHidden?: true;
  match?: MatchRule;
  /** Values of `Format=` that it is for; with any other it may not be assigned. */
  formats?: readonly OutputFormat[];
  /** `%x` gives its value. */
  specifier?: string;
  /** Files beside the configuration that set it by being there: `cvm.version`, `mkosi.extra`. */
  besides?: readonly { suffix: string; take: "path" | "text" }[];
  /** An empty list means that nothing was said, not that there is nothing. */
  isUnsetWhenEmpty?: true;
  /** Not one of mkosi's. */
  isOurs?: true;
}

/** Completes a row that fills a field: its kind and default must be of the field's type. */
export function filling<F extends ProfileField>(
  field: F,
  row: Omit<SettingRow<FieldValue<F>>, "field">,
): SettingRow<FieldValue<F>> & { field: F } {
  return { ...row, field };
}

/** A single value: the last assignment wins. */
export function one<T>(item: ItemKind<T>): ValueKind<T> {
  return {
    item,
    shape: item.expected,
    merge: "last",
    split: splitWhole,
    collect: (items) => items.at(-1),
  };
}

/** A value per line or word, appended to those of earlier assignments. */
export function list<T>(
  item: ItemKind<T>,
  more: { split?: Separator; collect?: (items: T[]) => T[] } = {},
): ValueKind<T[]> {
  const separator = SEPARATORS[more.split ?? "words"];
  return {
    item,
    shape: `list of ${item.expected}, separated by ${separator.says}`,
    merge: "append",
    split: (text) => splitWords(text, separator.pattern),
    collect: (items) => more.collect?.([...items]) ?? [...items],
  };
}

/** Variables, merged by name; written with shell quoting, separated by spaces or lines. */
export function variables(): ValueKind<Record<string, string>> {
  const item: ItemKind<[name: string, value: string]> = {
    expected: "NAME=value",
    parse: parseVariable,
    format: ([name, value]) => `${name}=${value}`,
  };
  return {
    item,
    shape: "list of NAME=value with shell quoting, separated by spaces or lines",
    merge: "by-key",
    key: ([name]: [string, string]) => name,
    split: (text) => splitShellWords(text, " \n"),
    // Sorted, so that the order of drop-ins cannot reach the image.
    collect: (items) => Object.fromEntries(items.toSorted(([a], [b]) => compareCodeUnits(a, b))),
  };
}

/** Sorts as mkosi does and drops duplicates: names before paths. */
export function sortPackages(packages: string[]): string[] {
  return [...new Set(packages)].sort(
    (a, b) => Number(a.startsWith("/")) - Number(b.startsWith("/")) || compareCodeUnits(a, b),
  );
}

type Separator = keyof typeof SEPARATORS;

const SEPARATORS = {
  words: { pattern: /[\s,]+/g, says: "blanks or commas" },
  spaces: { pattern: /[ \n]+/g, says: "spaces or lines" },
  lines: { pattern: /\n+/g, says: "lines" },
} as const;

function splitWhole(text: string): Word[] {
  if (text === "") return [];
  if (text.includes("\n")) throw new ValueFault("one value on one line", "several lines");
  return [{ text, offset: 0 }];
}

function parseVariable(text: string, context: ValueContext): [name: string, value: string] {
  const equals = text.indexOf("=");
  const name = (equals === -1 ? text : text.slice(0, equals)).trim();
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw new ValueFault("NAME=value", JSON.stringify(text));
  return [name, equals === -1 ? context.variable(name) : text.slice(equals + 1).trim()];
}
