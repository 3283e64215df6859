import type { ByteSource } from "@cvm-build/bytes";
import type { UkiSections } from "@cvm-build/uki";
import type { Addon, EspFile } from "../companions.ts";
import type { PassedOptions } from "./passed-options.ts";

/** A UKI about to be started. */
export interface StartedUki {
  image: ByteSource;
  /** Where it is on the ESP; undefined where it is not on one. */
  path: string | undefined;
  /** What is passed to it. */
  passed: string | undefined;
  /** Other files of the ESP that it was started from. */
  companions: readonly EspFile[];
}

/** A UKI as its stub sees it. */
export interface StubView {
  sections: UkiSections;
  stubMajorVersion: number;
  passed: PassedOptions;
  /** The command line that is passed and used. */
  accepted: string | undefined;
  addons: readonly Addon[];
  /** A string of SMBIOS that is appended to the command line. */
  smbiosExtra: string | undefined;
  /** The command line that the kernel gets; undefined where it gets none. */
  commandLine: string | undefined;
}
