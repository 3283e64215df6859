import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync } from "node:fs";
import {
  borrowedChunksOf,
  CvmError,
  finishSha256,
  FormatError,
  type HashAlgorithm,
  openFileSource,
  writeFully,
} from "@cvm-build/bytes";
import { type Content, readContent, type Segment, segmentSource } from "@cvm-build/fs-writer";
import type { Profile } from "@cvm-build/profile";
import type { Rootfs } from "@cvm-build/rootfs";
import { signPe } from "@cvm-build/uki";
import { companionNames } from "./companions.ts";
import type { FileDigest, Generation } from "./output.ts";
import { variableStoreName } from "./variable-store-file.ts";
import type { ImageSigners } from "./signing.ts";
import { assemblePlan, osReleaseOf, planUki, type UkiPlan } from "./uki-plan.ts";
import { checkUkiPolicies, signUkiPolicies } from "./uki-policies.ts";

/** The files of an image that boot, as they were written. */
export interface WrittenUki {
  /** The UKI, absolute. */
  path: string;
  /** File names in the output directory. */
  names: { uki: string; kernel: string; initrd: string; cmdline: string };
  /** Names of all its files, and of those that it is booted with, with their folders. */
  outputs: string[];
  kernel: NonNullable<Rootfs["kernel"]>;
  kernelCommandLine: string;
  /** The boot phases that it reaches. */
  phases: string[];
  /** What its systemd extends beside those. */
  registerUse: Rootfs["registerUse"];
}

/** What a UKI is written from. */
interface UkiBuild {
  profile: Profile;
  rootfs: Rootfs;
  stub: { content: Content };
  segments: Segment[];
  /** What the kernel is told after the profile's own words. */
  kernelArguments?: readonly string[];
  signers: ImageSigners;
  generation: Generation;
  threads: number;
}

/** Writes kernel, initrd and command line by themselves, and the UKI made of them, signed as the profile asks. */
export async function writeUki(build: UkiBuild): Promise<WrittenUki> {
  const { rootfs, stub, segments, signers, generation, threads } = build;
  const profile = withArguments(build.profile, build.kernelArguments ?? []);
  const { kernel } = rootfs;
  if (!kernel) throw noKernel(profile);
  const id = profile.output.imageId;
  const names = { uki: `${id}.efi`, kernel: `${id}.vmlinuz`, initrd: `${id}.initrd`, cmdline: `${id}.cmdline` };
  const kernelImage = readContent(kernel.image);
  const kernelCommandLine = profile.content.kernelCommandLine.join(" ");
  generation.write(names.kernel, kernelImage);
  generation.write(names.cmdline, kernelCommandLine);
  generation.written(names.initrd, writeInitrd(segments, generation.path(names.initrd)));

  using initrd = openFileSource(generation.path(names.initrd));
  const path = generation.path(names.uki);
  const plan = planUki({
    ...{ profile, initrd, signers },
    osRelease: osReleaseOf(rootfs),
    kernel: { image: kernelImage, release: kernel.release },
    stub: readContent(stub.content),
  });
  const phases = profile.measure.phases ?? rootfs.phases;
  await assembleSigned(path, { plan, signers, banks: profile.measure.banks, phases, threads });
  const companions = companionNames(profile.uki.companions, names.uki);
  for (const [name, companion] of companions) generation.write(name, readFileSync(companion.path));
  const beside = [...companions.keys()];
  if (profile.measure.secureBootVariables !== undefined) {
    beside.push(variableStoreName(id));
    generation.write(variableStoreName(id), readFileSync(profile.measure.secureBootVariables));
  }
  return {
    path,
    names,
    outputs: [...Object.values(names), ...beside],
    kernel,
    kernelCommandLine,
    phases,
    registerUse: rootfs.registerUse,
  };
}

/** A profile whose kernel is told more. */
export function withArguments(profile: Profile, more: readonly string[]): Profile {
  const { content } = profile;
  return { ...profile, content: { ...content, kernelCommandLine: [...content.kernelCommandLine, ...more] } };
}

/** Assembles a UKI, puts policies for it into it, and signs it. */
export async function assembleSigned(
  path: string,
  build: { plan: UkiPlan; signers: ImageSigners; banks: readonly HashAlgorithm[]; phases: string[]; threads: number },
): Promise<void> {
  const { plan, signers, ...measured } = build;
  assemblePlan(plan, { policies: [], output: path });
  if (signers.pcr.length > 0) {
    const policies = await signUkiPolicies(path, { ...measured, ...plan, signers: signers.pcr });
    assemblePlan(plan, { policies: policies.map((signed) => signed?.json), output: path });
    await checkUkiPolicies(path, { ...measured, policies });
  }
  if (signers.secureBoot) await signPe({ image: path, output: path, ...signers.secureBoot });
}

/**
 * Writes an initrd: its segments one after another, each compared with its digest on the way.
 * @throws FormatError where the cache holds other bytes
 */
function writeInitrd(segments: readonly Segment[], path: string): FileDigest {
  const whole = createHash("sha256");
  let sizeBytes = 0;
  const descriptor = openSync(path, "w", 0o644);
  try {
    for (const segment of segments) {
      const hash = createHash("sha256");
      using source = segmentSource(segment);
      for (const chunk of borrowedChunksOf(source)) {
        hash.update(chunk);
        whole.update(chunk);
        writeFully(descriptor, chunk);
      }
      sizeBytes += source.sizeBytes;
      if (finishSha256(hash) === segment.sha256) continue;
      throw new FormatError({ record: segment.path }, `expected a segment with SHA-256 ${segment.sha256}`);
    }
  } finally {
    closeSync(descriptor);
  }
  return { sizeBytes, sha256: finishSha256(whole) };
}

function noKernel(profile: Profile): CvmError {
  return new CvmError(
    "no-kernel",
    `cannot assemble UKI "${profile.output.imageId}": expected a kernel in /boot, got none`,
    {
      hint: "add a kernel to Packages=, such as linux-image-cloud-amd64",
    },
  );
}
