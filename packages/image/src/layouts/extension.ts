import { derivedUuid } from "@cvm-build/bytes";
import { type FileTree, writeDisk } from "@cvm-build/fs-writer";
import { makeExtensionTree, makePortableTree, type Rootfs } from "@cvm-build/rootfs";
import type { Inputs } from "../inputs.ts";
import { measurementsOf } from "../measure-build.ts";
import type { Build } from "../build-under-way.ts";
import { type FileSystemFacts, fileSystemPartitions, writeFileSystem } from "./file-system.ts";
import type { MadeImage } from "./made-image.ts";
import { PartsFolder } from "./parts-folder.ts";
import { imageFileName } from "./table.ts";
import { assembleTree } from "./tree.ts";

/** Makes a system or configuration extension: a disk image of what is merged into a running system, and for which ones. */
export async function makeExtension(build: Build, inputs: Inputs): Promise<MadeImage> {
  const { profile } = build;
  const kind = profile.output.format === "confext" ? "confext" : "sysext";
  const rootfs = await assembleTree(build, inputs);
  const { tree, leftOut } = makeExtensionTree(rootfs.tree, { kind, profile });
  return makeDiskImage(build, { inputs, rootfs: onlyOf(rootfs, tree), leftOut });
}

/** Makes a portable service: a disk image of a whole system, some of whose units another system runs. */
export async function makePortable(build: Build, inputs: Inputs): Promise<MadeImage> {
  const rootfs = await assembleTree(build, inputs);
  const { tree } = makePortableTree(rootfs.tree, build.profile);
  return makeDiskImage(build, { inputs, rootfs: { ...rootfs, tree }, leftOut: [] });
}

/**
 * Writes a tree as a discoverable disk image: a GPT with the file system, its hash tree and the signature of the root hash,
 * as far as the profile asks for these.
 * @see UAPI Group, Discoverable Disk Image; Discoverable Partitions Specification
 */
async function makeDiskImage(
  build: Build,
  { inputs, rootfs, leftOut }: { inputs: Inputs; rootfs: Rootfs; leftOut: string[] },
): Promise<MadeImage> {
  const { profile, generation } = build;
  const { output, distribution, validation } = profile;
  const name = imageFileName(profile);
  using parts = new PartsFolder(generation);
  const fileSystem = await writeFileSystem(rootfs.tree, { ...build, tree: "root", folder: parts.path });
  const isVerified = validation.verity !== "none";
  const partitions = fileSystemPartitions(fileSystem, profile);
  const disk = writeDisk({
    output: generation.path(name),
    diskUuid: derivedUuid(output.seed, "disk"),
    architecture: distribution.architecture,
    partitions: isVerified ? partitions : partitions.slice(0, 1),
  });
  generation.written(name, disk);
  const beside = isVerified ? writeRootHash(build, fileSystem) : [];
  return {
    ...{ rootfs, leftOut, artifacts: inputs.artifacts },
    packed: { segments: [], losses: [] },
    written: { outputs: [name, ...beside], kernelCommandLine: "" },
    ...(isVerified && { fileSystem: fileSystem.facts }),
    measurements: measurementsOf(profile, { sha256: disk.sha256, platforms: [] }),
  };
}

/** Root hash and signature by themselves, as systemd looks for them beside an image. @see systemd-dissect(1) */
function writeRootHash(
  { profile, generation }: Build,
  { facts, signature }: { facts: FileSystemFacts; signature?: { pkcs7: Buffer } },
): string[] {
  const name = `${profile.output.imageId}.roothash`;
  generation.write(name, `${facts.verity.rootHash}\n`);
  if (!signature) return [name];
  generation.write(`${name}.p7s`, signature.pkcs7);
  return [name, `${name}.p7s`];
}

/** What is said of a tree, as far as a part of it goes. */
function onlyOf(rootfs: Rootfs, tree: FileTree): Rootfs {
  const sizes = new Map<string, { sizeBytes: number; fileCount: number }>();
  const seen = new Set<unknown>();
  for (const [, node] of tree.entries()) {
    if (node.kind !== "file" || node.origin.kind !== "package" || seen.has(node)) continue;
    seen.add(node);
    const { sizeBytes, fileCount } = sizes.get(node.origin.name) ?? { sizeBytes: 0, fileCount: 0 };
    sizes.set(node.origin.name, { sizeBytes: sizeBytes + node.content.sizeBytes, fileCount: fileCount + 1 });
  }
  return {
    ...rootfs,
    tree,
    packages: rootfs.packages.map((each) => ({
      ...each,
      ...(sizes.get(each.name) ?? { sizeBytes: 0, fileCount: 0 }),
    })),
    setuid: rootfs.setuid.filter((path) => tree.has(path)),
  };
}
