import { assembleSystemdInitrd, diskPhases } from "@cvm-build/rootfs";
import type { Inputs } from "../inputs.ts";
import type { Build } from "../pipeline.ts";
import { diskArguments } from "./disk-arguments.ts";
import { dataPartition, writeBootDisk } from "./boot-disk.ts";
import { checkVerified, fileSystemPartitions, writeFileSystem } from "./file-system.ts";
import { initrdInput, packInitrd, rootfsTools } from "./initrd.ts";
import { checkKernelOf } from "./kernel-check.ts";
import type { MadeImage } from "./layout.ts";
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
  const fileSystem = await writeFileSystem(content, { ...build, tree, folder: parts.path });
  const initrd = await assembleSystemdInitrd(initrdInput(build, { inputs, rootfs }), rootfsTools(build));
  checkKernelOf(build, { kernel: rootfs.kernel, initrd: initrd.tree });
  const uki = await wrapInUki(build, {
    inputs,
    rootfs: { ...rootfs, phases: diskPhases(initrd.tree, running) },
    packed: await packInitrd(initrd.tree, build),
    kernelArguments: diskArguments(fileSystem.facts),
  });
  const partitions = [...fileSystemPartitions(fileSystem, profile), ...dataPartition(profile)];
  const disk = await writeBootDisk({ ...build, uki: uki.written.path, partitions, folder: parts.path });
  return {
    ...uki,
    ...(await measureUki(build, uki, { tree: running, initrd: initrd.tree, partitionTable: disk.table })),
    written: { ...uki.written, outputs: [...uki.written.outputs, ...disk.outputs] },
    fileSystem: fileSystem.facts,
    ...(leftOut.length > 0 && { leftOut }),
  };
}
