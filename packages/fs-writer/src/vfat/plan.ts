import { CvmError } from "@cvm-build/bytes";
import type { FileTree } from "../file-tree.ts";
import { parentOf } from "../file-tree.ts";
import type { FileNode, TreeNode } from "../tree.ts";
import type { ClusterRun } from "./allocation-table.ts";
import { recordsOf } from "./directory.ts";
import { DirectoryEntry, FIRST_CLUSTER, MAX_DIRECTORY_ENTRIES } from "./format.ts";
import { clusterBytesOf, type Geometry } from "./geometry.ts";
import { type FatName, nameEntries } from "./names.ts";

/** A directory as it will be written. */
export interface PlannedDirectory {
  path: string;
  mtimeSec: number;
  records: number;
  entries: { path: string; name: FatName; node: FileNode | (TreeNode & { kind: "directory" }) }[];
}

const MAX_FILE_BYTES = 0xffffffff;

/**
 * The directories of a tree, parents first, with the names that their entries get.
 * @throws CvmError `archive` where FAT cannot hold a node
 */
export function planDirectories(tree: FileTree, { hasLabel }: { hasLabel: boolean }): PlannedDirectory[] {
  const directories: PlannedDirectory[] = [];
  for (const [path, node] of tree.entries()) {
    if (node.kind !== "directory") continue;
    const names = nameEntries(tree.list(path), path);
    const entries = names.map((name) => {
      const entryPath = path === "/" ? `/${name.name}` : `${path}/${name.name}`;
      return { path: entryPath, name, node: checkNode(entryPath, tree.get(entryPath)) };
    });
    const ownRecords = path === "/" ? Number(hasLabel) : 2;
    const records = names.reduce((sum, name) => sum + recordsOf(name), ownRecords);
    if (records > MAX_DIRECTORY_ENTRIES) {
      throw new CvmError(
        "archive",
        `cannot pack directory ${JSON.stringify(path)}: expected at most ${MAX_DIRECTORY_ENTRIES} entries with the parts of long names, got ${records}`,
        { hint: "spread its files over several directories", details: { path } },
      );
    }
    directories.push({ path, mtimeSec: node.mtimeSec, records, entries });
  }
  return directories;
}

function checkNode(path: string, node: TreeNode | undefined): PlannedDirectory["entries"][number]["node"] {
  const refuse = (expected: string, hint: string): never => {
    throw new CvmError("archive", `cannot pack ${node?.kind} ${JSON.stringify(path)}: expected ${expected}`, {
      hint,
      details: { path },
    });
  };
  if (node?.kind === "directory") return node;
  if (node?.kind !== "file") {
    return refuse("a file or a directory", "a FAT volume has nothing else: put it on the root file system");
  }
  const { sizeBytes } = node.content;
  if (sizeBytes <= MAX_FILE_BYTES) return node;
  return refuse(`at most ${MAX_FILE_BYTES} bytes, got ${sizeBytes}`, "a file on a FAT volume is smaller than 4 GiB");
}

/** Where each directory and file lies, by path. What is empty has no place. */
export type Placement = ReadonlyMap<string, ClusterRun>;

/** How many clusters all directories and files take, and where each lies: one after the other, in the tree's order. */
export function placeContents(
  directories: readonly PlannedDirectory[],
  geometry: Geometry,
): { placement: Placement; usedClusters: number } {
  const clusterBytes = clusterBytesOf(geometry);
  const placement = new Map<string, ClusterRun>();
  let next = FIRST_CLUSTER;
  const place = (path: string, sizeBytes: number): void => {
    if (sizeBytes === 0) return;
    const count = Math.ceil(sizeBytes / clusterBytes);
    placement.set(path, { first: next, count });
    next += count;
  };
  for (const { path, records, entries } of directories) {
    const isFixed = path === "/" && geometry.variant !== "fat32";
    if (!isFixed) place(path, Math.max(records, 1) * DirectoryEntry.sizeBytes);
    for (const { path: entryPath, node } of entries) if (node.kind === "file") place(entryPath, node.content.sizeBytes);
  }
  return { placement, usedClusters: next - FIRST_CLUSTER };
}

/** The cluster by which others refer to a directory: zero for the root. */
export function directoryCluster(path: string, placement: Placement): number {
  return path === "/" ? 0 : (placement.get(path)?.first ?? 0);
}

/** The cluster of the directory that holds `path`. */
export function parentCluster(path: string, placement: Placement): number {
  return directoryCluster(parentOf(path), placement);
}
