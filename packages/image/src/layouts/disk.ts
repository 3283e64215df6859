import { assembleSystemdInitrd, diskPhases } from "@cvm-build/rootfs";
import type { Inputs } from "../inputs.ts";
import type { Build } from "../build-under-way.ts";
import { bothEnded } from "./both-ended.ts";
import { diskArguments } from "./disk-arguments.ts";
import { dataPartition, layOutBootDisk, writeBootDisk } from "./boot-disk.ts";
import { checkVerified, fileSystemPartitions, writeFileSystem } from "./file-system.ts";
import { initrdInput, packInitrd, rootfsTools } from "./initrd.ts";
import { checkKernelOf } from "./kernel-check.ts";
import type { MadeImage } from "./made-image.ts";
import { PartsFolder } from "./parts-folder.ts";
import { assembleTree } from "./tree.ts";
import { measureUki, wrapInUki } from "./uki.ts";
import { type DiskTree, onlyUsr } from "./usr-tree.ts";

/**
 * Makes a disk: an EFI system partition with a UKI whose initrd does no more than verify and mount, and the root file system,
 * or /usr, as erofs with a dm-verity hash tree, whose root hash is on the UKI's command line.
 */
export async function makeDisk(build: Build, inputs: Inputs): Promise<MadeImage> {
  const { profile } = build;
  const { tree } = profile.disk;
  checkVerified(profile);
  using parts = new PartsFolder(build.generation);
  const rootfs = await assembleTree(build, inputs);
  const { content, running, leftOut }: DiskTree =
    tree === "root"
      ? { content: rootfs.tree, running: rootfs.tree, leftOut: [] }
      : onlyUsr(rootfs.tree, { mtimeSec: profile.content.sourceDateEpochSec });
  // Neither needs the other, and one has a thread's work to do while the other has all threads at work.
  const [fileSystem, { initrd, packed }] = await bothEnded(
    writeFileSystem(content, { ...build, tree, folder: parts.path }),
    makeInitrd(build, { inputs, rootfs }),
  );
  const uki = await wrapInUki(build, {
    ...{ inputs, packed },
    rootfs: { ...rootfs, phases: diskPhases(initrd.tree, running) },
    kernelArguments: diskArguments(fileSystem.facts),
  });
  const partitions = [...fileSystemPartitions(fileSystem, profile), ...dataPartition(profile)];
  const disk = await layOutBootDisk({ profile, uki: uki.written.path, partitions, folder: parts.path });
  const measured = { tree: running, initrd: initrd.tree, partitionTable: disk.table };
  const [measurements, outputs] = await bothEnded(measureUki(build, uki, measured), writeBootDisk(disk, build));
  return {
    ...uki,
    ...measurements,
    written: { ...uki.written, outputs: [...uki.written.outputs, ...outputs] },
    fileSystem: fileSystem.facts,
    ...(leftOut.length > 0 && { leftOut }),
  };
}

async function makeInitrd(build: Build, parts: Parameters<typeof initrdInput>[1]) {
  const initrd = await assembleSystemdInitrd(initrdInput(build, parts), rootfsTools(build));
  checkKernelOf(build, { kernel: parts.rootfs.kernel, initrd: initrd.tree });
  return { initrd, packed: await packInitrd(initrd.tree, build) };
}
