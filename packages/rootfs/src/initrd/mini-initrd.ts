import { type Content, contentOf, FileTree, type FileNode, readContent } from "@cvm-build/fs-writer";
import type { Profile } from "@cvm-build/profile";
import type { RootfsTools } from "../assemble.ts";
import { finisherEditor } from "../finishers/editor.ts";
import { decompressModule } from "../kernel/decompress-module.ts";
import { compressionOf, listKernelReleases, stripModuleSuffix } from "../kernel/module-files.ts";
import { linkerCacheFinisher } from "../linker-cache/linker-cache.ts";
import { measureInitrd } from "./initrd-sizes.ts";
import { takeLibraries } from "./library-closure.ts";
import {
  CARRIED_DATA,
  CARRIED_HASHES,
  formatMiniInit,
  MINI_INIT_APPLETS,
  type MiniInit,
  type OverlayCarrier,
} from "./mini-init-script.ts";
import { moduleLoadOrder } from "./module-order.ts";
import { type Initrd, type InitrdInput, mergeSource, takePackages } from "./package-source.ts";
import { TreePicker } from "./tree-picker.ts";

/** What a carrier takes beside the default modules. */
const MODULES: Partial<Record<OverlayCarrier["kind"], readonly string[]>> = { device: ["nd_e820", "nd_pmem"] };

/** What a mini-initrd is made of. */
export interface MiniInitrdInput extends InitrdInput {
  /** What its program does; the modules are found here. */
  init: Omit<MiniInit, "modules">;
  /** The image itself, where the initrd is to carry it. */
  carried?: { data: Content; hashes: Content };
}

const BUSYBOX = { files: ["/usr/bin/busybox"] };
const PARTS = { busybox: BUSYBOX, "busybox-static": BUSYBOX, dmsetup: { files: ["/usr/sbin/dmsetup"] } } as const;
const REQUIRED_FILES = { "/usr/bin/busybox": "busybox", "/usr/sbin/dmsetup": "dmsetup" } as const;

/**
 * Makes an initrd without systemd that does just enough: it loads modules, finds an image, has dm-verity compare it with the
 * root hash that it holds, mounts it below a file system in memory, and goes on in it. It never asks anybody; what is not
 * as it should be switches the machine off.
 * @param input.packages those of the image and those that only the initrd has
 * @throws CvmError `initrd` where it would not boot; what `mergeInputs` throws; `kernel-modules`
 */
export async function assembleMiniInitrd(input: MiniInitrdInput, tools: RootfsTools): Promise<Initrd> {
  const { names } = input;
  const profile = withModules(input.profile, MODULES[input.init.carrier.kind] ?? []);
  const source = await mergeSource({ ...input, profile }, tools);
  const picker = new TreePicker({ source, target: new FileTree(source.get("/")!) });
  const tree = picker.target;
  takePackages(picker, { names, parts: PARTS, required: REQUIRED_FILES });
  takeLibraries(picker, { architecture: profile.distribution.architecture, features: new Set() });
  const editor = finisherEditor(tree, "initrd", input);
  for (const name of MINI_INIT_APPLETS) if (!editor.has(`/bin/${name}`)) editor.writeSymlink(`/bin/${name}`, "busybox");
  if (!editor.has("/bin/dmsetup")) editor.writeSymlink("/bin/dmsetup", "../sbin/dmsetup");
  for (const path of ["/dev", "/newroot", "/proc", "/run", "/sys"]) editor.makeDirectory(path);
  const modules = await placeModules(tree, source);
  editor.writeFile("/init", formatMiniInit({ ...input.init, modules }), { mode: 0o755 });
  if (input.carried) {
    editor.writeFile(CARRIED_DATA, input.carried.data);
    editor.writeFile(CARRIED_HASHES, input.carried.hashes);
  }
  await linkerCacheFinisher.finish(tree, { profile, cache: tools.cache });
  return { tree, sizes: measureInitrd(tree) };
}

/** A profile whose `KernelInitrdModules=` names these, too. */
function withModules(profile: Profile, modules: readonly string[]): Profile {
  const { kernelInitrdModules: asked } = profile.content;
  const words = [...(asked.length === 0 ? ["default"] : asked), ...modules];
  return { ...profile, content: { ...profile.content, kernelInitrdModules: words } };
}

/**
 * Puts modules where insmod finds them, decompressed: nothing but insmod reads them, and the initrd is compressed as a whole.
 * @returns their paths in the order of loading
 */
async function placeModules(tree: FileTree, source: FileTree): Promise<string[]> {
  const placed: string[] = [];
  for (const path of listKernelReleases(source).flatMap((release) => moduleLoadOrder(source, release))) {
    const node = source.get(path);
    if (node?.kind !== "file") continue;
    const bytes = await decompressModule(readContent(node.content), compressionOf(path));
    const target = `${stripModuleSuffix(path)}.ko`;
    tree.makeDirectories(target.slice(0, target.lastIndexOf("/")), node.origin);
    tree.set(target, { ...node, content: contentOf(bytes) } satisfies FileNode);
    placed.push(target);
  }
  return placed;
}
