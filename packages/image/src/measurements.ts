import { type HashAlgorithm, openFileSource, type Sha256Hex } from "@cvm-build/bytes";
import {
  type Alternative,
  type EventContent,
  type EventSource,
  type MeasuredEvent,
  predictUkiOnEsp,
  type Prediction,
  type RegisterName,
  type RegisterValues,
} from "@cvm-build/measure";
import type { Profile } from "@cvm-build/profile";
import { measuredCompanions } from "./companions.ts";
import type { Generation } from "./output.ts";
import { platformOf } from "./platform.ts";
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
  threads: number;
}): Promise<Measurements> {
  const { profile, uki, generation, threads } = build;
  using image = openFileSource(uki.path);
  const { name, secureBoot } = platformOf(profile.measure.secureBootVariables);
  const prediction = await predictUkiOnEsp(image, {
    banks: profile.measure.banks,
    phases: uki.phases,
    secureBoot,
    companions: measuredCompanions(uki.path),
    threads,
    sources: {
      ".linux": { package: uki.kernel.package, file: uki.names.kernel },
      ".initrd": { file: uki.names.initrd },
      ".cmdline": { setting: "Content.KernelCommandLine", file: uki.names.cmdline },
    },
  });
  return measurementsOf(profile, {
    name: uki.names.uki,
    generation,
    platforms: [platformMeasurements(name, prediction)],
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

/** A prediction as it is published. */
export function platformMeasurements(name: string, prediction: Prediction): PlatformMeasurements {
  return {
    name,
    registers: prediction.registers,
    phases: prediction.phases,
    unpredicted: prediction.unpredicted,
    ...(prediction.alternatives && { alternatives: prediction.alternatives }),
    refused: prediction.refused,
    events: prediction.events.map(publishEvent),
  };
}

function publishEvent({ type, ...event }: MeasuredEvent): PublishedEvent {
  return { ...event, ...(type !== undefined && { type }) };
}
