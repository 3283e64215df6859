import { CvmError } from "@cvm-build/bytes";
import { FileTree } from "@cvm-build/fs-writer";
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
  const content = tree === "root" ? rootfs.tree : subtree(rootfs.tree, "/usr");
  const fileSystem = await writeFileSystem(content, { ...build, tree, folder: parts.path });
  const initrd = await assembleSystemdInitrd(initrdInput(build, { inputs, rootfs }), rootfsTools(build));
  checkKernelOf(build, { kernel: rootfs.kernel, initrd: initrd.tree });
  const uki = await wrapInUki(build, {
    inputs,
    rootfs: { ...rootfs, phases: diskPhases(initrd.tree, rootfs.tree) },
    packed: await packInitrd(initrd.tree, build),
    kernelArguments: diskArguments(fileSystem.facts),
  });
  const partitions = [...fileSystemPartitions(fileSystem, profile), ...dataPartition(profile)];
  const disk = await writeBootDisk({ ...build, uki: uki.written.path, partitions, folder: parts.path });
  const seen = tree === "root" ? rootfs.tree : onlyBelow(rootfs.tree, "/usr");
  return {
    ...uki,
    ...(await measureUki(build, uki, { tree: seen, initrd: initrd.tree, partitionTable: disk.table })),
    written: { ...uki.written, outputs: [...uki.written.outputs, ...disk.outputs] },
    fileSystem: fileSystem.facts,
  };
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

/** A tree without what is not below a directory, but for the links at its top: systemd makes them where they are missing. */
function onlyBelow(tree: FileTree, path: string): FileTree {
  const only = new FileTree(tree.get("/")!);
  for (const [each, node] of tree.entries(path)) only.set(each, node);
  for (const name of tree.list("/")) {
    const node = tree.get(`/${name}`);
    if (node?.kind === "symlink") only.set(`/${name}`, node);
  }
  return only;
}
