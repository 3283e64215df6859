import type { FileTree, PackedSegments } from "@cvm-build/fs-writer";
import { readStub, type Rootfs, type Stub } from "@cvm-build/rootfs";
import { type Inputs, stubPackageOf } from "../inputs.ts";
import { lintBuild } from "../lint/lint-build.ts";
import { measureBuild, platformsOf } from "../measure-build.ts";
import type { Build } from "../build-under-way.ts";
import { type WrittenUki, writeUki } from "../uki-image.ts";
import { packInitrd } from "./initrd.ts";
import { checkKernelOf } from "./kernel-check.ts";
import type { MadeImage } from "./made-image.ts";
import { assembleTree } from "./tree.ts";

/** Makes a UKI whose initrd is the whole root file system. */
export async function makeUki(build: Build, inputs: Inputs): Promise<MadeImage> {
  const rootfs = await assembleTree(build, inputs);
  checkKernelOf(build, { kernel: rootfs.kernel, initrd: rootfs.tree });
  const packed = await packInitrd(rootfs.tree, build);
  const uki = await wrapInUki(build, { inputs, rootfs, packed });
  return { ...uki, ...(await measureUki(build, uki, { tree: rootfs.tree })) };
}

/** A UKI that is written, and what it was made of. */
export type MadeUki = Omit<MadeImage, "written" | "measurements" | "lint"> & { stub: Stub; written: WrittenUki };

/** What a UKI is made of. */
interface UkiParts {
  inputs: Inputs;
  rootfs: Rootfs;
  packed: PackedSegments;
  /** What the kernel is told after the profile's own words. */
  kernelArguments?: readonly string[];
}

/** Wraps kernel, initrd and command line in the stub, as the profile asks. */
export async function wrapInUki(build: Build, parts: UkiParts): Promise<MadeUki> {
  const { profile, signers, store, generation, surroundings } = build;
  const { workers, report } = surroundings;
  const { inputs, rootfs, packed, kernelArguments = [] } = parts;
  const stub = await readStub(stubPackageOf(inputs), { cache: store, workers, report, kind: "linux" });
  const { segments } = packed;
  const written = await writeUki({
    ...{ profile, rootfs, stub, segments, kernelArguments, signers, generation },
    threads: workers,
  });
  return { rootfs, stub, packed, written, artifacts: inputs.artifacts };
}

/**
 * Predicts the registers of a UKI, and says what its host can still influence.
 * @param options.tree the system that runs in the end
 * @param options.initrd what leads to it, where it does not live in the initrd itself
 * @param options.partitionTable first sectors of the disk that it is on, where there is one
 */
export async function measureUki(
  { profile, surroundings }: Build,
  { written }: Pick<MadeUki, "written">,
  { partitionTable, ...trees }: { tree: FileTree; initrd?: FileTree; partitionTable?: Buffer },
): Promise<Pick<MadeImage, "measurements" | "lint">> {
  const platforms = await platformsOf(profile, surroundings);
  const measurements = await measureBuild(
    { ...written, kernelPackage: written.kernel.package, ...(partitionTable && { partitionTable }) },
    { profile, platforms, threads: surroundings.workers },
  );
  return { measurements, lint: lintBuild({ profile, ...trees, uki: written.path, platforms, measurements }) };
}
