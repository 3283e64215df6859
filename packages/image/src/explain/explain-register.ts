import { CvmError, type HashAlgorithm } from "@cvm-build/bytes";
import { type PcrValues, replay } from "@cvm-build/measure";
import type { Manifest } from "../manifest.ts";
import type { PlatformMeasurements, PublishedEvent } from "../measurements.ts";
import { valuesByBank } from "../register-values.ts";
import { type Contents, type NamedPackage, packageOf } from "./contents.ts";

/** How a register comes to its value. */
export interface RegisterExplanation {
  platform: string;
  register: string;
  /** By bank; of a register that has one value, under its own algorithm. */
  values: Partial<Record<HashAlgorithm, string>>;
  /** Why there is no value. */
  unpredicted?: string;
  /** Values that it may have instead, and what decides. */
  alternatives: NonNullable<PlatformMeasurements["alternatives"]>;
  events: ExplainedEvent[];
}

/** An event, what it leads to, and where its bytes came from, as far back as the build knows. */
export interface ExplainedEvent extends PublishedEvent {
  /** The register's value after it. Absent for what is not extended: MRTD and launch digests. */
  after?: Partial<Record<HashAlgorithm, string>>;
  origin: EventOrigin;
}

/** What stands behind an event: the files of the build, the package, the setting. */
export interface EventOrigin {
  file?: { name: string; sizeBytes: number; sha256: string };
  package?: NamedPackage;
  setting?: { name: string; value?: string };
  /** What the initrd is made of, in its order. */
  segments?: { origin: string; entries: number; sizeBytes: number; sha256: string }[];
}

/**
 * Explains a register of one platform from what was published.
 * @throws CvmError `usage` where the platform has no such register
 */
export function explainRegister(
  platform: PlatformMeasurements,
  { register, manifest }: { register: string; manifest?: Contents["manifest"] },
): RegisterExplanation {
  const unpredicted = platform.unpredicted.find((each) => each.register === register)?.reason;
  const values = valuesByBank(platform.registers, register);
  const alternatives = (platform.alternatives ?? []).filter((each) => each.register === register);
  if (unpredicted === undefined && Object.keys(values).length === 0 && alternatives.length === 0) {
    throw noSuchRegister(platform, register);
  }
  const own = platform.events.filter((event) => event.register === register);
  return {
    platform: platform.name,
    register,
    values,
    ...(unpredicted !== undefined && { unpredicted }),
    alternatives,
    events: own.map((event, index) => ({
      ...event,
      ...afterEvent(own.slice(0, index + 1)),
      origin: manifest ? originOf(event, manifest) : {},
    })),
  };
}

/** The register's value after the last of its events so far. */
function afterEvent(events: readonly PublishedEvent[]): Pick<ExplainedEvent, "after"> {
  const [first] = events;
  if (!first || first.register === "mrtd" || first.register === "launchDigest") return {};
  const banks = Object.keys(first.digests) as HashAlgorithm[];
  // Registers of TDX are extended as PCRs are, with SHA-384.
  const asPcr = events.map(({ digests }) => ({ register: "pcr0" as const, digests }));
  const values: PcrValues = replay(asPcr, { banks });
  return { after: Object.fromEntries(banks.map((bank) => [bank, values[bank]?.[0] ?? ""])) };
}

function originOf({ source }: PublishedEvent, manifest: Manifest): EventOrigin {
  const file = manifest.outputs.find(({ name }) => name === source.file);
  const named = packageOf(manifest, source.package);
  const { setting } = source;
  return {
    ...(file && { file }),
    ...(named && { package: named }),
    ...(setting !== undefined && {
      setting: {
        name: setting,
        ...(setting === "Content.KernelCommandLine" && { value: manifest.image.kernelCommandLine }),
      },
    }),
    ...(source.section === ".initrd" && {
      segments: manifest.segments.map(({ origin, entries, sizeBytes, sha256 }) => ({
        origin,
        entries,
        sizeBytes,
        sha256,
      })),
    }),
  };
}

function noSuchRegister({ name, registers, unpredicted }: PlatformMeasurements, register: string): CvmError {
  const [bank] = Object.values(registers.pcr);
  const known = [
    ...Object.keys(bank ?? {}).map((index) => `pcr${index}`),
    ...(registers.mrtd === undefined ? [] : ["mrtd"]),
    ...Object.keys(registers.rtmr ?? {}).map((index) => `rtmr${index}`),
    ...(registers.launchDigest === undefined ? [] : ["launchDigest"]),
    ...unpredicted.map((each) => each.register),
  ];
  return new CvmError("usage", `cannot explain "${register}": expected a register of platform ${name}`, {
    hint: `it has ${known.join(", ")}`,
  });
}
