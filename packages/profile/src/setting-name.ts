import { profileError, quoteText } from "./error.ts";
import { CONDITION_SECTIONS } from "./condition.ts";
import { findMkosiSetting, MKOSI_SETTINGS } from "./mkosi-setting.ts";
import type { SourcePosition } from "./position.ts";
import { findSetting, SETTINGS } from "./setting-table.ts";
import { didYouMean, nearestName } from "./suggest.ts";

const ALL_SETTINGS = [...SETTINGS, ...MKOSI_SETTINGS];
const SECTIONS = [...new Set([...ALL_SETTINGS.map(({ section }) => section), "Host"])];

/** Checks the name of a section that holds settings. @throws CvmError `profile-unknown-section` */
export function checkSection(section: string, at: SourcePosition): void {
  if (SECTIONS.includes(section)) return;
  throw profileError("profile-unknown-section", {
    cannot: `read section ${quoteText(section)}`,
    at,
    expected: `one of ${[...SECTIONS.filter((name) => name !== "Host"), ...CONDITION_SECTIONS].join(", ")}`,
    got: "an unknown section",
    hint: didYouMean(section, [...SECTIONS, ...CONDITION_SECTIONS]),
    setting: section,
  });
}

/**
 * Checks that a setting exists in its section, here or in mkosi.
 * @throws CvmError `profile-misplaced-setting` or `profile-unknown-setting`
 */
export function checkSettingName({ section, name }: { section: string; name: string }, at: SourcePosition): void {
  const fullName = `${section}.${name}`;
  if (findSetting(fullName) !== undefined || findMkosiSetting(fullName) !== undefined) return;
  const elsewhere = ALL_SETTINGS.find((row) => row.name === name);
  if (elsewhere !== undefined) {
    throw profileError("profile-misplaced-setting", {
      cannot: `read setting ${quoteText(name)}`,
      at,
      expected: `it in [${elsewhere.section}]`,
      got: `[${section}]`,
      hint: `move it below a line [${elsewhere.section}]`,
      setting: fullName,
    });
  }
  throw unknownSetting({ section, name }, at);
}

/**
 * Completes a setting's name from the command line: `Section.Name`, or `Name` where only one section has it.
 * @throws CvmError as `checkSettingName`, or for a name that several sections have
 */
export function completeSettingName(written: string, at: SourcePosition): { section: string; name: string } {
  const dot = written.indexOf(".");
  if (dot !== -1) {
    const full = { section: written.slice(0, dot), name: written.slice(dot + 1) };
    checkSection(full.section, at);
    checkSettingName(full, at);
    return full;
  }
  const candidates = ALL_SETTINGS.filter((row) => row.name === written);
  const ours = candidates.filter((row) => findSetting(`${row.section}.${row.name}`) !== undefined);
  if (ours.length > 1) {
    throw profileError("profile-unknown-setting", {
      cannot: `read setting ${quoteText(written)}`,
      at,
      expected: `one of ${ours.map(({ section, name }) => `${section}.${name}`).join(", ")}`,
      got: "a name that several sections have",
      setting: written,
    });
  }
  const [found] = [...ours, ...candidates];
  if (found === undefined) throw unknownSetting({ name: written }, at);
  return { section: found.section, name: found.name };
}

function unknownSetting({ section, name }: { section?: string; name: string }, at: SourcePosition): Error {
  const inSection = ALL_SETTINGS.filter((row) => section === undefined || row.section === section);
  const nearest =
    nearestName(
      name,
      inSection.map((row) => row.name),
    ) ??
    nearestName(
      name,
      ALL_SETTINGS.map((row) => row.name),
    );
  const row = [...inSection, ...ALL_SETTINGS].find((candidate) => candidate.name === nearest);
  const place = row === undefined || row.section === section ? "" : ` of [${row.section}]`;
  return profileError("profile-unknown-setting", {
    cannot: `read setting ${quoteText(name)}`,
    at,
    expected: section === undefined ? "the name of a setting" : `a setting of [${section}]`,
    got: "an unknown name",
    hint: row === undefined ? "docs/profile-language.md lists all settings" : `did you mean ${row.name}=${place}?`,
    setting: section === undefined ? name : `${section}.${name}`,
  });
}
