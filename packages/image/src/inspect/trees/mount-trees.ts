import { FileTree } from "@cvm-build/fs-writer";
import type { InspectedPartition } from "../dissection.ts";
import { type Designator, partitionOf } from "../mounts.ts";
import { type FoundTree, ROOT_ATTRIBUTES } from "./found-tree.ts";

/** Where partitions are mounted, in this order, as far as the root has a directory there. */
const MOUNT_POINTS: readonly { designator: Designator; path: string; hasToBeEmpty?: boolean }[] = [
  { designator: "usr", path: "/usr" },
  { designator: "home", path: "/home" },
  { designator: "srv", path: "/srv" },
  { designator: "var", path: "/var" },
  { designator: "tmp", path: "/var/tmp" },
  { designator: "xbootldr", path: "/boot" },
  { designator: "esp", path: "/boot", hasToBeEmpty: true },
  { designator: "esp", path: "/efi" },
];

/**
 * What a system that is booted from a disk would see, in one tree. Where there is no root file system, `/usr` lies in an
 * empty one.
 * @returns undefined where there is neither
 */
export function mountTrees(
  partitions: readonly InspectedPartition[],
  trees: ReadonlyMap<number, FoundTree>,
): FoundTree | undefined {
  const treeOf = (designator: Designator): FoundTree | undefined => {
    const partition = partitionOf(partitions, designator);
    return partition && trees.get(partition.partno);
  };
  const root = treeOf("root");
  if (!root && !treeOf("usr")) return undefined;
  const tree = new FileTree(ROOT_ATTRIBUTES);
  if (root) copyTree(root.tree, tree, "/");
  else tree.set("/usr", { ...ROOT_ATTRIBUTES, kind: "directory" });
  const leftOut = [...(root?.leftOut ?? [])];
  const mountedAt = new Map<Designator, string>();
  for (const { designator, path, hasToBeEmpty } of MOUNT_POINTS) {
    const mounted = treeOf(designator);
    const isThere = tree.get(path)?.kind === "directory" && ![...mountedAt.values()].includes(path);
    if (!mounted || mountedAt.has(designator) || !isThere) continue;
    if (hasToBeEmpty && tree.list(path).length > 0) continue;
    mountedAt.set(designator, path);
    for (const name of tree.list(path)) tree.delete(`${path}/${name}`);
    copyTree(mounted.tree, tree, path);
    leftOut.push(...mounted.leftOut.map((what) => `${what} of ${path}`));
  }
  return { tree, leftOut };
}

function copyTree(from: FileTree, to: FileTree, path: string): void {
  const prefix = path === "/" ? "" : path;
  for (const [inner, node] of from.entries()) to.set(inner === "/" ? path : `${prefix}${inner}`, node);
}
