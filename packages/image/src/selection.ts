import { type LoadedProfile, loadProfile } from "@cvm-build/profile";
import type { ProfileSelection, Surroundings } from "./surroundings.ts";

/** The merged profile of a selection. */
export function loadSelection(selection: ProfileSelection, surroundings: Surroundings): LoadedProfile {
  return loadProfile({
    directory: surroundings.directory,
    profiles: selection.profiles,
    settings: selection.settings,
    ignoreUnsupported: selection.ignoreUnsupported,
    hostArchitecture: surroundings.hostArchitecture,
    invocationDirectory: surroundings.invocationDirectory,
    environment: surroundings.environment,
  });
}
