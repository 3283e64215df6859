import { type HashAlgorithm, openFileSource, type Sha256Hex } from "@cvm-build/bytes";
import type {
  Alternative,
  EventContent,
  EventSource,
  RegisterName,
  RegisterValues,
  Unmeasured,
} from "@cvm-build/measure";
import type { Profile } from "@cvm-build/profile";
import { measuredCompanions } from "./companions.ts";
import type { Generation } from "./output.ts";
import type { Bootable } from "./platforms/bootable.ts";
import { measureOnPlatforms } from "./platforms/measure.ts";
import { Memo } from "./platforms/memo.ts";
import type { PlatformPlaces } from "./platforms/find-platform.ts";
import { selectPlatforms } from "./platforms/select.ts";
import type { WrittenUki } from "./uki-image.ts";

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

/** Opens the finished UKI again and predicts its registers from its own bytes. */
export async function measureBuild(build: {
  profile: Profile;
  uki: WrittenUki;
  generation: Generation;
  places: PlatformPlaces;
  threads: number;
}): Promise<Measurements> {
  const { profile, uki, generation, places, threads } = build;
  using image = openFileSource(uki.path);
  const { platforms: names, secureBootVariables: variableStore, banks } = profile.measure;
  const bootable: Bootable = {
    image,
    companions: measuredCompanions(uki.path),
    phases: uki.phases,
    banks,
    sources: {
      ".linux": { package: uki.kernel.package, file: uki.names.kernel },
      ".initrd": { file: uki.names.initrd },
      ".cmdline": { setting: "Content.KernelCommandLine", file: uki.names.cmdline },
    },
    memo: new Memo(),
  };
  const platforms = await selectPlatforms({ names, variableStore }, places);
  return measurementsOf(profile, {
    name: uki.names.uki,
    generation,
    platforms: await measureOnPlatforms(bootable, platforms, { threads }),
  });
}

/**
 * The document of an image.
 * @param options.name its file
 * @param options.platforms none for what is not booted by itself
 */
export function measurementsOf(
  { output }: Profile,
  { name, generation, platforms }: { name: string; generation: Generation; platforms: PlatformMeasurements[] },
): Measurements {
  const { sha256 } = generation.digest(name);
  return {
    schema: "cvm-build.measurements/1",
    image: { id: output.imageId, version: output.imageVersion, sha256 },
    platforms,
  };
}
