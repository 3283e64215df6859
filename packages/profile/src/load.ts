import { join } from "node:path";
import type { Sha256Hex } from "@cvm-build/bytes";
import { checkAcross } from "./cross-check.ts";
import { readDeclarations } from "./declaration.ts";
import type { LoadRequest } from "./load-request.ts";
import type { SourcePosition } from "./position.ts";
import type { Profile, UkiProfile } from "./profile.ts";
import { parseUkiProfile } from "./read-uki-profile.ts";
import { ConfigReader } from "./reader.ts";
import { checkServiceGraph } from "./service-graph.ts";
import type { SettingStore } from "./setting-store.ts";
import { SETTINGS_GROUPS } from "./setting.ts";
import { type FilledSettings, SETTINGS } from "./setting-table.ts";
import { unsupportedError, type UnsupportedSetting } from "./unsupported.ts";

/** A profile with what there is to say of its making. */
export interface LoadedProfile {
  profile: Profile;
  /** Every setting in the order of the reference. */
  settings: MergedSetting[];
  /** Empty unless `ignoreUnsupported`. */
  unsupported: UnsupportedSetting[];
  /** Every file read, by its path below the directory, sorted. */
  files: { path: string; sha256: Sha256Hex }[];
}

/** A setting's final value and where it comes from. */
export interface MergedSetting {
  section: string;
  name: string;
  /** Formatted; a list for settings that hold several values, undefined where there is none. */
  value: string | string[] | undefined;
  /** The assignments that count, weakest first. */
  sources: SourcePosition[];
  isDefault: boolean;
}

/**
 * Loads the image that a stack of profiles describes: reads the files in mkosi's order, merges, validates.
 * @throws CvmError with a `ProfileErrorCode`; its details name file, line, column and setting
 */
export function loadProfile(request: LoadRequest): LoadedProfile {
  const reader = new ConfigReader(request);
  reader.read();
  const { store, disk } = reader;
  const unsupported = [...reader.unsupported, ...checkAcross(store)];
  if (unsupported.length > 0 && !request.ignoreUnsupported) throw unsupportedError(unsupported);
  const { services, artifacts } = readDeclarations(reader);
  checkServiceGraph(services);
  const names = store.valueOf("Config.Profiles") as string[];
  return {
    profile: {
      names,
      ...fillSettings(store),
      ukiProfiles: readUkiProfiles(reader),
      services: services.map(({ service }) => service),
      artifacts,
    },
    settings: mergedSettings(store),
    unsupported,
    files: disk.files,
  };
}

/** Reads the profiles of a multi-profile UKI; a folder stands for the `.conf` files in it. */
function readUkiProfiles({ store, disk }: ConfigReader): UkiProfile[] {
  const paths = store.valueOf("Content.UnifiedKernelImageProfiles") as string[];
  const files = paths.flatMap((path) => {
    if (disk.kind(path) !== "directory") return [path];
    const names = disk.list(path).filter((name) => name.endsWith(".conf"));
    return names.map((name) => join(path, name));
  });
  return files.map((path) => parseUkiProfile(disk.readText(path), disk.show(path)));
}

/** Fills the settings of a profile from the table. */
function fillSettings(store: SettingStore): FilledSettings {
  const filled: Record<string, Record<string, unknown>> = {};
  for (const group of SETTINGS_GROUPS) filled[group] = {};
  for (const row of SETTINGS) {
    if (row.field === undefined) continue;
    const [group, key] = row.field.split(".") as [string, string];
    const value = store.value(row);
    if (value !== undefined) filled[group]![key] = value;
  }
  // The table's types say that each field gets a value of its type.
  return filled as unknown as FilledSettings;
}

function mergedSettings(store: SettingStore): MergedSetting[] {
  return SETTINGS.map((row) => {
    const formatted = store.formatted(row);
    const sources = store.effective(row).map(({ position }) => position);
    return {
      section: row.section,
      name: row.name,
      value: row.kind.merge === "last" ? formatted?.[0] : formatted,
      sources,
      isDefault: sources.length === 0,
    };
  });
}
