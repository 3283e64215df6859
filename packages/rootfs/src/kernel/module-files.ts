import { CvmError } from "@cvm-build/bytes";
import { type FileNode, type FileTree, readContent } from "@cvm-build/fs-writer";
import { normalizeModuleName } from "./module-facts.ts";

/** A module as a file of the tree. */
export interface ModuleFile {
  /** The kernel's name for it: no suffix, dashes as underscores. */
  name: string;
  /** Absolute path in the tree. */
  path: string;
  /** Path below `/usr/lib/modules/<release>`: `kernel/fs/ext4/ext4.ko.xz`. */
  relativePath: string;
  node: FileNode;
}

/** The kernels of a tree live here, one directory a release. */
export const MODULES_DIRECTORY = "/usr/lib/modules";

const MODULE_NAME = /^(.+)\.ko(?:\.(gz|xz|zst))?$/;

/** Releases that have a directory of modules, in byte order. */
export function listKernelReleases(tree: FileTree): string[] {
  return tree.list(MODULES_DIRECTORY).filter((name) => tree.get(`${MODULES_DIRECTORY}/${name}`)?.kind === "directory");
}

/**
 * The modules of a release, by path. Where two directories hold a module of one name, `updates/` wins, as in depmod.
 * @throws CvmError `kernel-modules` where two others share a name
 */
export function listModuleFiles(tree: FileTree, release: string): ModuleFile[] {
  const root = `${MODULES_DIRECTORY}/${release}`;
  const byName = new Map<string, ModuleFile>();
  for (const [path, node] of tree.entries(root)) {
    const match = MODULE_NAME.exec(path.slice(path.lastIndexOf("/") + 1));
    if (node.kind !== "file" || !match?.[1]) continue;
    const file = { name: normalizeModuleName(match[1]), path, relativePath: path.slice(root.length + 1), node };
    if (file.relativePath.startsWith("build/") || file.relativePath.startsWith("source/")) continue;
    const other = byName.get(file.name);
    if (!other || isUpdate(file) !== isUpdate(other)) {
      if (!other || isUpdate(file)) byName.set(file.name, file);
      continue;
    }
    throw new CvmError(
      "kernel-modules",
      `cannot index module "${file.name}" of kernel ${release}: expected one file, got ${other.path} and ${path}`,
      { hint: "take one away with RemoveFiles=" },
    );
  }
  return [...byName.values()];
}

/** Names of all modules that a release has, in files or built in. */
export function knownModuleNames(tree: FileTree, release: string): Set<string> {
  const builtin = readReleaseFile(tree, release, "modules.builtin")?.toString("latin1") ?? "";
  const builtinNames = [...builtin.matchAll(/([^/\n]+)\.ko$/gm)].map(([, name = ""]) => normalizeModuleName(name));
  return new Set([...builtinNames, ...listModuleFiles(tree, release).map(({ name }) => name)]);
}

/** A path without `.ko` and compression suffix. */
export function stripModuleSuffix(path: string): string {
  return path.replace(/\.ko(?:\.(?:gz|xz|zst))?$/, "");
}

/** How a module file is compressed, by its name. */
export function compressionOf(path: string): "gzip" | "xz" | "zstd" | "none" {
  const suffix = /\.ko\.(gz|xz|zst)$/.exec(path)?.[1];
  return suffix === "gz" ? "gzip" : suffix === "xz" ? "xz" : suffix === "zst" ? "zstd" : "none";
}

/** The text of a file of the release's directory, or undefined where there is none. */
export function readReleaseFile(tree: FileTree, release: string, name: string): Buffer | undefined {
  const node = tree.follow(`${MODULES_DIRECTORY}/${release}/${name}`);
  return node?.kind === "file" ? readContent(node.content) : undefined;
}

function isUpdate(file: ModuleFile): boolean {
  return file.relativePath.startsWith("updates/");
}
