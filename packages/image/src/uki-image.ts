import { readFileSync } from "node:fs";
import { type ByteSource, bytesSource, openFileSource } from "@cvm-build/bytes";
import { type Content, readContent, type Segment } from "@cvm-build/fs-writer";
import type { Profile } from "@cvm-build/profile";
import type { Rootfs } from "@cvm-build/rootfs";
import { assembleSigned } from "./assemble-signed.ts";
import type { BootFileNames } from "./boot-file-names.ts";
import { writeBootFiles } from "./boot-files.ts";
import { companionNames } from "./companions.ts";
import { imageFileName } from "./layouts/table.ts";
import { withArguments } from "./kernel-arguments.ts";
import type { Generation } from "./output.ts";
import { variableStoreName } from "./variable-store-file.ts";
import type { ImageSigners } from "./signing.ts";
import { planUki } from "./uki-plan.ts";

/** The files of an image that boot, as they were written. */
export interface WrittenUki {
  /** The UKI, absolute. */
  path: string;
  /** File names in the output directory. */
  names: BootFileNames & { uki: string };
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
  const id = profile.output.imageId;
  const boot = writeBootFiles({ profile, rootfs, segments, generation });
  const { kernel, kernelImage, kernelCommandLine } = boot;
  const names = { uki: imageFileName(profile), ...boot.names };
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

/** What the image says of itself; empty where it says nothing. */
function osReleaseOf({ tree }: Rootfs): ByteSource {
  const file = tree.follow("/etc/os-release");
  return bytesSource(file?.kind === "file" ? readContent(file.content) : Buffer.alloc(0));
}
