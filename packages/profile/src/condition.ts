import { assert, compileGlob } from "@cvm-build/bytes";
import { formatPosition, profileError, quoteText } from "./error.ts";
import type { IniSection, IniSetting } from "./ini.ts";
import type { SettingRow } from "./setting.ts";
import { SETTINGS } from "./setting-table.ts";
import { didYouMean } from "./suggest.ts";
import { parseBoolean } from "./value-kind.ts";
import { compareVersions } from "./version-order.ts";

/** Sections that say when a file applies. */
export const CONDITION_SECTIONS = ["Match", "TriggerMatch", "Assert", "TriggerAssert"] as const;

/** What conditions are answered from. */
export interface ConditionContext {
  /** Formats the value so far of a setting, an item an element; undefined where it has none. */
  valuesOf(row: SettingRow): string[] | undefined;
  /** Expands specifiers of a term. */
  expand(text: string, term: IniSetting): string;
  hostArchitecture: string;
  /** Tells whether a path is there. @throws CvmError for one outside the configuration's directory */
  pathExists(path: string, term: IniSetting): boolean;
  /** Notes a question of mkosi's that cannot be asked here. */
  refuse(term: IniSetting, useInstead: string): void;
}

const MATCHABLE = new Map(SETTINGS.flatMap((row) => (row.match === undefined ? [] : [[row.name, row] as const])));

/** Questions of mkosi's about what a build of ours does not look at; the answer counts as no. */
const REFUSED: Readonly<Record<string, string>> = {
  SystemdVersion: "match on Release=: the building host is not looked at",
  BuildSources: "match on PathExists=: no script builds from sources",
  ToolsTreeDistribution: "leave it out: there is no tools tree",
  ToolsTreeRelease: "leave it out: there is no tools tree",
};

/** Everything that a condition may ask for. */
const KEYS = [...MATCHABLE.keys(), "PathExists", "HostArchitecture", "Image", ...Object.keys(REFUSED)];

const ARCHITECTURE = MATCHABLE.get("Architecture")!;

/**
 * Checks the names in sections of conditions, whether or not they are going to be asked.
 * @throws CvmError `profile-unknown-setting`
 */
export function checkConditionNames(section: IniSection): void {
  for (const { name, position } of section.settings) {
    if (KEYS.includes(name)) continue;
    throw profileError("profile-unknown-setting", {
      cannot: `read condition ${quoteText(name)}`,
      at: position,
      expected: `one of ${KEYS.join(", ")}`,
      got: "something that cannot be matched on",
      hint: didYouMean(name, KEYS),
      setting: `${section.name}.${name}`,
    });
  }
}

/**
 * Tells whether a file applies: all its `[Match]` and one of its `[TriggerMatch]`.
 * @throws CvmError for a term that cannot be asked
 */
export function isMatched(sections: readonly IniSection[], context: ConditionContext): boolean {
  const holding = (name: string) => sections.filter((section) => section.name === name);
  if (holding("Match").some((section) => failingTerm(section, context) !== undefined)) return false;
  const triggers = holding("TriggerMatch");
  return triggers.length === 0 || triggers.some((section) => failingTerm(section, context) === undefined);
}

/**
 * Demands what `[Assert]` and `[TriggerAssert]` say.
 * @throws CvmError `profile-failed-assertion`
 */
export function checkAssertions(sections: readonly IniSection[], context: ConditionContext): void {
  const triggers: IniSetting[] = [];
  let isTriggered = false;
  for (const section of sections) {
    if (section.name !== "Assert" && section.name !== "TriggerAssert") continue;
    const failing = failingTerm(section, context);
    if (section.name === "TriggerAssert") {
      if (failing === undefined) isTriggered = true;
      else triggers.push(failing);
    } else if (failing !== undefined) throw assertionError(failing, context);
  }
  if (triggers.length > 0 && !isTriggered) throw assertionError(triggers[0]!, context);
}

/** Finds the term for which a section does not hold: a plain one, or the last `|` one where none of them does. */
function failingTerm(section: IniSection, context: ConditionContext): IniSetting | undefined {
  let failingPiped: IniSetting | undefined;
  let isPipedTrue = false;
  for (const term of section.settings) {
    const [, pipe, negation, wanted] = /^(\|?)(!?)([^]*)$/.exec(termText(term))!;
    const answer = ask(term, context.expand(wanted!, term), context) !== (negation === "!");
    if (pipe === "") {
      if (!answer) return term;
    } else if (answer) isPipedTrue = true;
    else failingPiped = term;
  }
  return isPipedTrue ? undefined : failingPiped;
}

function termText(term: IniSetting): string {
  if (term.lines.length === 1) return term.lines[0]!.text;
  throw profileError("profile-bad-value", {
    cannot: `read condition ${quoteText(term.name)}`,
    at: { ...term.position, line: term.lines[1]!.line, column: term.lines[1]!.column },
    expected: "one value; repeat the line for another",
    got: "several lines",
    setting: term.name,
  });
}

function ask(term: IniSetting, wanted: string, context: ConditionContext): boolean {
  const row = MATCHABLE.get(term.name);
  if (row !== undefined) return matchesSetting(term, { wanted, row, values: context.valuesOf(row) });
  if (term.name === "PathExists") return wanted !== "" && context.pathExists(wanted, term);
  if (term.name === "HostArchitecture") {
    return matchesSetting(term, { wanted, row: ARCHITECTURE, values: [context.hostArchitecture] });
  }
  if (term.name === "Image") return wanted === "main";
  const refusal = Object.hasOwn(REFUSED, term.name) ? REFUSED[term.name] : undefined;
  assert(refusal !== undefined, `condition ${term.name} was not checked`);
  context.refuse(term, refusal);
  return false;
}

function matchesSetting(
  term: IniSetting,
  { wanted, row, values }: { wanted: string; row: SettingRow; values: string[] | undefined },
): boolean {
  const spellings = row.kind.item.spellings;
  const isAnyUefi = row.match === "architecture" && wanted === "uefi";
  if (spellings !== undefined && !isAnyUefi && !spellings.includes(wanted)) throw valueError(term, wanted, spellings);
  if (values === undefined) return false;
  const [value = ""] = values;
  switch (row.match!) {
    case "equal":
      return value === wanted;
    case "architecture":
      // Both architectures that images are built for start from UEFI.
      return isAnyUefi || value === wanted;
    case "contains":
      return wanted === "" ? values.length === 0 : values.includes(wanted);
    case "glob":
      return compileGlob(wanted)(value);
    case "version":
      return matchesVersion(value, wanted);
    case "variable":
      return values.some(
        (variable) => variable === wanted || (!wanted.includes("=") && variable.startsWith(`${wanted}=`)),
      );
    case "feature":
      return featureOf(value) === featureOf(wanted);
  }
}

function matchesVersion(version: string, wanted: string): boolean {
  const [, operator, other] = /^(==|!=|<=|>=|<|>|)([^]*)$/.exec(wanted)!;
  const order = compareVersions(version, other!.trim());
  switch (operator) {
    case "!=":
      return order !== 0;
    case "<":
      return order < 0;
    case "<=":
      return order <= 0;
    case ">":
      return order > 0;
    case ">=":
      return order >= 0;
    default:
      return order === 0;
  }
}

function featureOf(text: string): boolean | string {
  return parseBoolean(text) ?? text.toLowerCase();
}

function valueError(term: IniSetting, wanted: string, spellings: readonly string[]): Error {
  return profileError("profile-bad-value", {
    cannot: `read condition ${quoteText(term.name)}`,
    at: { ...term.position, column: term.lines[0]!.column },
    expected: `one of ${spellings.join(", ")}`,
    got: quoteText(wanted),
    hint: didYouMean(wanted, spellings),
    setting: term.name,
  });
}

function assertionError(term: IniSetting, context: ConditionContext): Error {
  const row = MATCHABLE.get(term.name);
  const values = row === undefined ? undefined : context.valuesOf(row);
  return profileError("profile-failed-assertion", {
    cannot: `use configuration ${quoteText(term.position.file)}`,
    at: term.position,
    expected: `${term.name}=${termText(term)}`,
    got: row === undefined ? "another answer" : values === undefined ? "no value" : quoteText(values.join(" ")),
    hint: `${formatPosition(term.position)} demands it in [Assert] or [TriggerAssert]`,
    setting: term.name,
  });
}
