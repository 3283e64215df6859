import { createHash } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { borrowedChunksOf, CvmError, finishSha256, FormatError, writeFully } from "@cvm-build/bytes";
import { readContent, type Segment, segmentSource } from "@cvm-build/fs-writer";
import type { Profile } from "@cvm-build/profile";
import type { Rootfs } from "@cvm-build/rootfs";
import { type BootFileNames, bootFileNames } from "./boot-file-names.ts";
import type { FileDigest, Generation } from "./output.ts";

/** What a kernel is started with, as files of their own. */
export interface BootFiles {
  /** File names in the output directory. */
  names: BootFileNames;
  kernel: NonNullable<Rootfs["kernel"]>;
  kernelImage: Buffer;
  kernelCommandLine: string;
}

/**
 * Writes kernel, initrd and command line by themselves.
 * @throws CvmError `no-kernel`; FormatError where the cache holds other bytes than it should
 */
export function writeBootFiles(build: {
  profile: Profile;
  rootfs: Pick<Rootfs, "kernel">;
  segments: readonly Segment[];
  generation: Generation;
}): BootFiles {
  const { profile, rootfs, segments, generation } = build;
  const { kernel } = rootfs;
  if (!kernel) throw noKernel(profile);
  const names = bootFileNames(profile.output.imageId);
  const kernelImage = readContent(kernel.image);
  const kernelCommandLine = profile.content.kernelCommandLine.join(" ");
  generation.write(names.kernel, kernelImage);
  generation.write(names.cmdline, kernelCommandLine);
  generation.written(names.initrd, writeInitrd(segments, generation.path(names.initrd)));
  return { names, kernel, kernelImage, kernelCommandLine };
}

/** Writes an initrd: its segments one after another, each compared with its digest on the way. */
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

function noKernel({ output }: Profile): CvmError {
  return new CvmError("no-kernel", `cannot build "${output.imageId}": expected a kernel in /boot, got none`, {
    hint: "add a kernel to Packages=, such as linux-image-cloud-amd64",
  });
}
