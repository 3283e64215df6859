import { type FileTree, type PackedSegments, packSegments } from "@cvm-build/fs-writer";
import type { Profile } from "@cvm-build/profile";
import type { InitrdInput, MiniInit, Rootfs, RootfsTools } from "@cvm-build/rootfs";
import { initrdPackagesOf } from "../initrd-packages.ts";
import type { Inputs } from "../inputs.ts";
import type { Build } from "../build-under-way.ts";
import { type FileSystemFacts, VERITY_FORMAT } from "./file-system.ts";

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

const BLOCK_BYTES = 4096;
/** How long an initrd without systemd waits for a disk. */
const DISK_TIMEOUT_SEC = 30;

/** What the program of an initrd without systemd does, but for where it finds the file system. */
export function miniInit(
  { initOverlay }: Profile,
  { verity: { hashOffsetBytes, ...verity } }: FileSystemFacts,
): Omit<MiniInit, "carrier" | "modules"> {
  return {
    verity: { ...verity, formatVersion: VERITY_FORMAT, hashStartBlock: hashOffsetBytes / BLOCK_BYTES },
    loadIntoRam: initOverlay.loadIntoRam,
    onCorruption: "panic",
    init: "/init",
    timeoutSec: DISK_TIMEOUT_SEC,
  };
}
