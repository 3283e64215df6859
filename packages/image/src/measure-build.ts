import { openFileSource, type Sha256Hex } from "@cvm-build/bytes";
import type { KeptDigests, UserspaceFacts } from "@cvm-build/measure";
import type { Profile } from "@cvm-build/profile";
import { measuredCompanions } from "./companions.ts";
import { imageFileName } from "./layouts/table.ts";
import type { Measurements, PlatformMeasurements } from "./measurements.ts";
import { type Bootable, imageSha256 } from "./platforms/bootable.ts";
import type { PlatformPlaces } from "./platforms/find-platform.ts";
import { measureOnPlatforms } from "./platforms/measure.ts";
import { Memo } from "./platforms/memo.ts";
import type { ReadyPlatform } from "./platforms/ready-platform.ts";
import { selectPlatforms } from "./platforms/select.ts";

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
  /** First sectors of the disk that it is on, where it is on one of its own. */
  partitionTable?: Buffer;
}

/**
 * Opens the finished UKI again and predicts its registers from its own bytes.
 * @param build.kept what is known of its kernel and its initrd from before, where nothing is built
 */
export async function measureBuild(
  uki: FinishedUki,
  build: { profile: Profile; platforms: readonly ReadyPlatform[]; threads: number; kept?: KeptDigests },
): Promise<Measurements> {
  const { profile, platforms, threads, kept } = build;
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
    ...(uki.partitionTable && { partitionTable: uki.partitionTable }),
    memo: new Memo(),
    ...(kept && { kept }),
  };
  const measuring = measureOnPlatforms(bootable, platforms, { threads });
  // Other threads are at work; this one has nothing else to do.
  const sha256 = imageSha256(bootable);
  return measurementsOf(profile, { sha256, platforms: await measuring });
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
  profile: Profile,
  { sha256, platforms }: { sha256: Sha256Hex; platforms: PlatformMeasurements[] },
): Measurements {
  const { imageId: id, imageVersion: version } = profile.output;
  const file = imageFileName(profile);
  return {
    schema: "cvm-build.measurements/1",
    image: { id, version, ...(file !== `${id}.efi` && { file }), sha256 },
    platforms,
  };
}
