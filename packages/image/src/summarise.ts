import type { MergedSetting, Profile, UnsupportedSetting } from "@cvm-build/profile";
import { loadSelection } from "./selection.ts";
import type { ProfileSelection, Surroundings } from "./surroundings.ts";

/** A merged configuration and where each value came from. */
export interface Summary {
  profile: Profile;
  settings: MergedSetting[];
  /** Settings of mkosi's that cvm-build does not have. */
  unsupported: UnsupportedSetting[];
  files: { path: string; sha256: string }[];
}

/** Reads a selection of profiles without building anything. Unsupported settings are listed, not refused. */
export function summarise(selection: ProfileSelection, surroundings: Surroundings): Summary {
  return loadSelection({ ...selection, ignoreUnsupported: true }, surroundings);
}
