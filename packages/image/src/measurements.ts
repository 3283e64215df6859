import { type HashAlgorithm, openFileSource, type Sha256Hex, sourceSha256 } from "@cvm-build/bytes";
import type {
  Alternative,
  EventContent,
  EventSource,
  RegisterName,
  RegisterValues,
  Unmeasured,
  UserspaceFacts,
} from "@cvm-build/measure";
import type { Profile } from "@cvm-build/profile";
import { measuredCompanions } from "./companions.ts";
import type { Bootable } from "./platforms/bootable.ts";
import { measureOnPlatforms } from "./platforms/measure.ts";
import { Memo } from "./platforms/memo.ts";
import type { PlatformPlaces } from "./platforms/find-platform.ts";
import type { ReadyPlatform } from "./platforms/ready-platform.ts";
import { selectPlatforms } from "./platforms/select.ts";

/** `measurements.json`: what an image's registers will be, and the events that make them. */
export interface Measurements {
  schema: "cvm-build.measurements/1";
  image: { id: string; version: string; sha256: Sha256Hex };
  platforms: PlatformMeasurements[];
}

/** The registers of an image on one platform. */
export interface PlatformMeasurements {
  name: string;
  /** At the end of the boot that the profile describes. */
  registers: RegisterValues;
  /** PCR 11 after each phase path, by bank. */
  phases: Partial<Record<HashAlgorithm, Record<string, string>>>;
  unpredicted: { register: string; reason: string }[];
  /** Registers that have one of a few values, and what decides which. */
  alternatives?: Alternative[];
  /** Add-ons that Secure Boot does not let start, and which then have no effect. */
  refused: { path: string; reason: string }[];
  /** Images that take part in the boot and leave no trace in a register. */
  unmeasured?: Unmeasured[];
  events: PublishedEvent[];
}

/** One event as it is published: its register by name. */
export interface PublishedEvent {
  register: RegisterName;
  type?: string;
  label: string;
  digests: Partial<Record<HashAlgorithm, string>>;
  source: EventSource;
  /** What was measured: how many bytes, and which where they are few and no part of a file. */
  content?: EventContent;
}

/** A UKI as it was written. */
export interface FinishedUki {
  /** Absolute. What it is booted with stands beside it. */
  path: string;
  /** What its parts are called in the output directory. */
  names: { uki: string; kernel: string; initrd: string; cmdline: string };
  kernelPackage: string;
  /** The boot phases that it reaches. */
  phases: readonly string[];
  /** What its systemd extends beside those. */
  registerUse: UserspaceFacts;
}

/** Opens the finished UKI again and predicts its registers from its own bytes. */
export async function measureBuild(
  uki: FinishedUki,
  build: { profile: Profile; platforms: readonly ReadyPlatform[]; threads: number },
): Promise<Measurements> {
  const { profile, platforms, threads } = build;
  using image = openFileSource(uki.path);
  const bootable: Bootable = {
    image,
    companions: measuredCompanions(uki.path),
    phases: uki.phases,
    userspace: uki.registerUse,
    banks: profile.measure.banks,
    sources: {
      ".linux": { package: uki.kernelPackage, file: uki.names.kernel },
      ".initrd": { file: uki.names.initrd },
      ".cmdline": { setting: "Content.KernelCommandLine", file: uki.names.cmdline },
    },
    memo: new Memo(),
  };
  const measured = await measureOnPlatforms(bootable, platforms, { threads });
  return measurementsOf(profile, { sha256: sourceSha256(image), platforms: measured });
}

/** The platforms that a profile names. */
export function platformsOf({ measure }: Profile, places: PlatformPlaces): Promise<ReadyPlatform[]> {
  return selectPlatforms({ names: measure.platforms, variableStore: measure.secureBootVariables }, places);
}

/**
 * The document of an image.
 * @param options.platforms none for what is not booted by itself
 */
export function measurementsOf(
  { output }: Profile,
  { sha256, platforms }: { sha256: Sha256Hex; platforms: PlatformMeasurements[] },
): Measurements {
  return {
    schema: "cvm-build.measurements/1",
    image: { id: output.imageId, version: output.imageVersion, sha256 },
    platforms,
  };
}
