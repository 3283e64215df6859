import { mkdirSync, rmSync } from "node:fs";
import { CvmError, derivedUuid } from "@cvm-build/bytes";
import { type DiskPartition, FileTree, packSegments } from "@cvm-build/fs-writer";
import type { Profile } from "@cvm-build/profile";
import { assembleRootfs, assembleSystemdInitrd, diskPhases, readStub, verityCommandLine } from "@cvm-build/rootfs";
import { initrdPackagesOf } from "../initrd-packages.ts";
import { type Inputs, stubPackageOf } from "../inputs.ts";
import { lintBuild } from "../lint/lint-build.ts";
import { measureBuild, platformsOf } from "../measure-build.ts";
import type { Build } from "../pipeline.ts";
import { writeUki } from "../uki-image.ts";
import { writeBootDisk } from "./boot-disk.ts";
import { type FileSystemFacts, fileSystemPartitions, writeFileSystem } from "./file-system.ts";
import type { MadeImage } from "./layout.ts";

/** Where a disk's parts are made before they are put together. */
const PARTS = ".parts";

/**
 * Makes a disk: an EFI system partition with a UKI whose initrd does no more than verify and mount, and the root file system,
 * or /usr, as erofs with a dm-verity hash tree, whose root hash is on the UKI's command line.
 */
export async function makeDisk(build: Build, inputs: Inputs): Promise<MadeImage> {
  const { profile, signers, store, surroundings, generation } = build;
  const { workers, report, signal } = surroundings;
  const tools = { cache: store, workers, report };
  const { packages, artifacts } = inputs;
  if (profile.validation.verity === "none") throw notVerified(profile);
  const rootfs = await assembleRootfs({ profile, packages, artifacts }, tools);
  const stub = await readStub(stubPackageOf(inputs), { ...tools, kind: "linux" });
  signal?.throwIfAborted();
  const folder = generation.path(PARTS);
  mkdirSync(folder);
  const { tree } = profile.disk;
  const content = tree === "root" ? rootfs.tree : subtree(rootfs.tree, "/usr");
  const fileSystem = await writeFileSystem(content, { profile, tree, folder, signer: signers.verity, surroundings });
  const initrd = await assembleSystemdInitrd(
    {
      profile,
      packages: [...packages, ...inputs.initrdPackages],
      artifacts,
      names: initrdPackagesOf(profile),
      root: rootfs.tree,
    },
    tools,
  );
  const packed = await packSegments(initrd.tree, {
    cache: store,
    threads: workers,
    compression: { algorithm: profile.output.compressOutput, level: profile.output.compressLevel },
    mtimeClampSec: profile.content.sourceDateEpochSec,
    report,
  });
  signal?.throwIfAborted();
  const phases = diskPhases(initrd.tree, rootfs.tree);
  const written = await writeUki({
    ...{ profile, stub, signers, generation },
    rootfs: { ...rootfs, phases },
    kernelArguments: diskArguments(fileSystem.facts),
    segments: packed.segments,
    threads: workers,
  });
  const partitions = [...fileSystemPartitions(fileSystem, profile), ...dataPartition(profile)];
  const disk = await writeBootDisk({ profile, uki: written.path, partitions, folder, generation, surroundings });
  rmSync(folder, { recursive: true });
  const platforms = await platformsOf(profile, surroundings);
  const measurements = await measureBuild(
    { ...written, kernelPackage: written.kernel.package, partitionTable: disk.table },
    { profile, platforms, threads: workers },
  );
  const lint = lintBuild({ profile, rootfs, uki: written.path, platforms, measurements });
  return {
    ...{ rootfs, stub, packed, artifacts, measurements, lint },
    written: { ...written, outputs: [...written.outputs, ...disk.outputs] },
    fileSystem: fileSystem.facts,
  };
}

/** What the kernel is told beside the profile's words, so that systemd verifies and mounts the file system. */
export function diskArguments({ tree, type, verity, dataUuid, hashUuid }: FileSystemFacts): string[] {
  return verityCommandLine({
    ...{ tree, dataUuid, hashUuid },
    rootHash: verity.rootHash,
    fileSystem: type,
    // A block that reads as an error could keep a program from starting, and the system would go on without it.
    onCorruption: "panic",
  });
}

/** An empty partition that becomes the encrypted disk for data at the first boot. */
function dataPartition({ disk, storage, output }: Profile): DiskPartition[] {
  const { dataPartitionBytes: sizeBytes } = disk;
  const { dataDisk } = storage;
  if (sizeBytes === undefined || dataDisk === undefined) return [];
  const isNamed = dataDisk.by === "partlabel";
  return [
    {
      type: "linux-generic",
      uuid: isNamed ? derivedUuid(output.seed, "data") : dataDisk.name,
      label: isNamed ? dataDisk.name : `${output.imageId.slice(0, 30)}-data`,
      sizeBytes,
      flags: ["no-auto"],
    },
  ];
}

/** What is below a directory, as a tree of its own. */
function subtree(tree: FileTree, path: string): FileTree {
  const root = tree.get(path);
  if (root?.kind !== "directory")
    throw new CvmError("setting", `cannot make a disk of "${path}": expected a directory`);
  const below = new FileTree(root);
  for (const [each, node] of tree.entries(path)) if (each !== path) below.set(each.slice(path.length), node);
  return below;
}

function notVerified({ output }: Profile): CvmError {
  return new CvmError(
    "setting",
    `cannot build disk "${output.imageId}": expected a file system that is verified, got Validation.Verity=none`,
    { hint: "without a root hash on the command line no register would say what the disk holds" },
  );
}
