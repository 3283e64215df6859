import type { Profile } from "./profile.ts";
import type { ProfileField, SettingRow, SETTINGS_GROUPS } from "./setting.ts";
import { CONFIGURATION_SETTINGS } from "./settings/configuration.ts";
import { CONTENT_SETTINGS } from "./settings/content.ts";
import { DISK_SETTINGS } from "./settings/disk.ts";
import { DISTRIBUTION_SETTINGS } from "./settings/distribution.ts";
import { EXTENSION_SETTINGS } from "./settings/extension.ts";
import { OUTPUT_SETTINGS } from "./settings/output.ts";
import { OUR_SETTINGS } from "./settings/own.ts";
import { STORAGE_SETTINGS } from "./settings/storage.ts";
import { VALIDATION_SETTINGS } from "./settings/validation.ts";

const ROWS = [
  ...DISTRIBUTION_SETTINGS,
  ...OUTPUT_SETTINGS,
  ...CONTENT_SETTINGS,
  ...VALIDATION_SETTINGS,
  ...OUR_SETTINGS,
  ...STORAGE_SETTINGS,
  ...DISK_SETTINGS,
  ...EXTENSION_SETTINGS,
] as const;

/** Every setting that a profile may use, in the order of the reference. */
export const SETTINGS: readonly SettingRow[] = [...CONFIGURATION_SETTINGS, ...ROWS];

type FilledField = Extract<(typeof ROWS)[number], { field: ProfileField }>["field"];
type UnfilledField = Exclude<ProfileField, FilledField>;

/** Fails to compile when a field of the profile has no row. */
export const EVERY_FIELD_HAS_A_ROW: UnfilledField extends never ? true : UnfilledField = true;

const BY_FULL_NAME = new Map(SETTINGS.map((row) => [`${row.section}.${row.name}`, row]));
const BY_SPECIFIER = new Map(SETTINGS.flatMap((row) => (row.specifier === undefined ? [] : [[row.specifier, row]])));

/** Finds a row by `Section.Name`. */
export function findSetting(fullName: string): SettingRow | undefined {
  return BY_FULL_NAME.get(fullName);
}

/** Finds the setting whose value `%x` gives. */
export function findSpecifierSetting(specifier: string): SettingRow | undefined {
  return BY_SPECIFIER.get(specifier);
}

/** The part of a profile that settings fill. */
export type FilledSettings = Pick<Profile, (typeof SETTINGS_GROUPS)[number]>;
