import { type FileTree, type PackedSegments, packSegments } from "@cvm-build/fs-writer";
import type { InitrdInput, Rootfs, RootfsTools } from "@cvm-build/rootfs";
import { initrdPackagesOf } from "../initrd-packages.ts";
import type { Inputs } from "../inputs.ts";
import type { Build } from "../pipeline.ts";

/** Packs a tree as the segments of an initrd, compressed as the profile asks, until somebody stops it. */
export async function packInitrd(tree: FileTree, { profile, store, surroundings }: Build): Promise<PackedSegments> {
  const { workers, report, signal } = surroundings;
  const packed = await packSegments(tree, {
    cache: store,
    threads: workers,
    compression: { algorithm: profile.output.compressOutput, level: profile.output.compressLevel },
    mtimeClampSec: profile.content.sourceDateEpochSec,
    report,
  });
  signal?.throwIfAborted();
  return packed;
}

/** What an initrd that leads to the root file system is made of. */
export function initrdInput({ profile }: Build, { inputs, rootfs }: { inputs: Inputs; rootfs: Rootfs }): InitrdInput {
  return {
    profile,
    packages: [...inputs.packages, ...inputs.initrdPackages],
    artifacts: inputs.artifacts,
    names: initrdPackagesOf(profile),
    root: rootfs.tree,
  };
}

/** What `rootfs` works with. */
export function rootfsTools({ store, surroundings }: Build): RootfsTools {
  return { cache: store, workers: surroundings.workers, report: surroundings.report };
}
