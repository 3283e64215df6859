import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync } from "node:fs";
import {
  borrowedChunksOf,
  type ByteSource,
  bytesSource,
  CvmError,
  finishSha256,
  FormatError,
  openFileSource,
  writeFully,
} from "@cvm-build/bytes";
import { type Content, readContent, type Segment, segmentSource } from "@cvm-build/fs-writer";
import type { Profile } from "@cvm-build/profile";
import type { Rootfs } from "@cvm-build/rootfs";
import { phasePaths, predictUkiPhases, type Prediction, signPcrPolicies } from "@cvm-build/measure";
import { assembleUki, SECTION_NAMES, type SectionName } from "@cvm-build/uki";
import { companionNames } from "./companions.ts";
import type { FileDigest, Generation } from "./output.ts";
import type { ImageSigners } from "./signing.ts";

/** The files of an image that boot, as they were written. */
export interface WrittenUki {
  /** The UKI, absolute. */
  path: string;
  /** File names in the output directory. */
  names: { uki: string; kernel: string; initrd: string; cmdline: string };
  /** Names of the files that stand beside the UKI, with their folders. */
  companions: string[];
  kernel: NonNullable<Rootfs["kernel"]>;
  kernelCommandLine: string;
  /** The boot phases that it reaches. */
  phases: string[];
  /** The values of PCR 11 that the policies in it were signed for, where there are any. */
  signedPhases: Prediction["phases"] | undefined;
}

/** What a UKI is written from. */
interface UkiBuild {
  profile: Profile;
  rootfs: Rootfs;
  stub: { content: Content };
  segments: Segment[];
  signers: ImageSigners;
  generation: Generation;
  threads: number;
}

/** Writes kernel, initrd and command line by themselves, and the UKI made of them, signed as the profile asks. */
export async function writeUki(build: UkiBuild): Promise<WrittenUki> {
  const { profile, rootfs, stub, segments, signers, generation } = build;
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
  const sections: Partial<Record<SectionName, ByteSource>> = {
    ".linux": bytesSource(kernelImage),
    ".osrel": bytesSource(osRelease(rootfs)),
    ".cmdline": bytesSource(Buffer.from(kernelCommandLine)),
    ".initrd": initrd,
    ".uname": bytesSource(Buffer.from(kernel.release)),
    ...(profile.uki.splash !== undefined && { ".splash": bytesSource(readFileSync(profile.uki.splash)) }),
    ...policyKey(signers),
  };
  const phases = profile.measure.phases ?? rootfs.phases;
  const assemble = (all: typeof sections) =>
    assembleUki({
      stub: bytesSource(readContent(stub.content)),
      sections: SECTION_NAMES.flatMap((name) => {
        const content = all[name];
        return content && content.sizeBytes > 0 ? [{ name, content: [content] }] : [];
      }),
      output: path,
    });
  assemble(sections);
  const signed = signers.pcr.length > 0 ? await signPolicies(path, { ...build, phases }) : undefined;
  if (signed) assemble({ ...sections, ".pcrsig": bytesSource(Buffer.from(signed.policies)) });
  const companions = companionNames(profile.uki.companions, names.uki);
  for (const [name, companion] of companions) generation.write(name, readFileSync(companion.path));
  return {
    path,
    names,
    companions: [...companions.keys()],
    kernel,
    kernelCommandLine,
    phases,
    signedPhases: signed?.values,
  };
}

/** The public key that the guest trusts policies of. */
function policyKey({ pcr: [signer] }: ImageSigners): Partial<Record<SectionName, ByteSource>> {
  if (!signer) return {};
  return { ".pcrpkey": bytesSource(Buffer.from(signer.publicKey.export({ type: "spki", format: "pem" }))) };
}

/** Signs policies for the values of PCR 11 that an image without them has: they do not change it. */
async function signPolicies(
  path: string,
  { profile, signers, phases, threads }: UkiBuild & { phases: string[] },
): Promise<{ values: Prediction["phases"]; policies: string }> {
  using image = openFileSource(path);
  const values = await predictUkiPhases(image, { banks: profile.measure.banks, phases, threads });
  return { values, policies: await signPcrPolicies(values, { signers: signers.pcr, phasePaths: phasePaths(phases) }) };
}

function osRelease({ tree }: Rootfs): Buffer {
  const file = tree.follow("/etc/os-release");
  return file?.kind === "file" ? readContent(file.content) : Buffer.alloc(0);
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
