import type { ReportProgress } from "@cvm-build/bytes";
import type { SecretSources } from "@cvm-build/uki";

/** What a run is given from outside: everything that is not in the profile or the lock. The command line fills it once. */
export interface Surroundings {
  /** Where the profiles are (`-C`), absolute. */
  directory: string;
  /** Where the command was typed, absolute. */
  invocationDirectory: string;
  /** The store, absolute. */
  cacheDirectory: string;
  /** cvm-build's own `configs/`, absolute. */
  configsDirectory: string;
  /** Variables of the caller: mirrors, registries and proxies are read from them, nothing that reaches an image. */
  environment: Readonly<Record<string, string>>;
  now: () => Date;
  /** For keys: nothing random reaches an image. */
  randomBytes: (sizeBytes: number) => Uint8Array;
  hostArchitecture: "x86-64" | "arm64";
  /** Worker threads; changes the time a build takes and not one byte of it. */
  workers: number;
  /** No network at all. */
  offline: boolean;
  /** Where passphrases and PINs of keys come from. */
  secrets: SecretSources;
  report: ReportProgress;
  signal?: AbortSignal;
}

/** Which profiles, with which settings on top. */
export interface ProfileSelection {
  profiles: string[];
  /** Settings of the command line: `Section.Name` or `Name`, and the value as a file would have it. */
  settings: { name: string; value: string }[];
  ignoreUnsupported: boolean;
}
