import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { FileTree, TreeNode } from "@cvm-build/fs-writer";

/** A node as `list-folder.py` tells it. */
export interface Listed {
  mode: number;
  owner: string;
  mtimeSec: number;
  links: number;
  xattrs: Record<string, string>;
  data?: string;
}

const LIST_FOLDER = join(import.meta.dirname, "list-folder.py");
const TYPE_BITS = {
  fifo: 0o010000,
  char: 0o020000,
  directory: 0o040000,
  block: 0o060000,
  file: 0o100000,
  symlink: 0o120000,
} as const satisfies Record<TreeNode["kind"], number>;

/** What a folder holds, path to facts. */
export function listFolder(folder: string): Record<string, Listed> {
  return JSON.parse(execFileSync("python3", [LIST_FOLDER, folder], { encoding: "utf8", maxBuffer: 1 << 28 }));
}

/** What a tree is on a disk. Links of directories are the number of their subdirectories and two. */
export function listTree(tree: FileTree, { mtimeClampSec = Infinity } = {}): Record<string, Listed> {
  const links = new Map<TreeNode, number>();
  for (const [, node] of tree.entries()) links.set(node, (links.get(node) ?? 0) + 1);
  return Object.fromEntries(
    [...tree.entries()].map(([path, node]) => {
      const below = tree.list(path).map((name) => tree.get(`${path === "/" ? "" : path}/${name}`));
      const directories = below.filter((each) => each?.kind === "directory").length;
      const listed: Listed = {
        mode: TYPE_BITS[node.kind] | (node.kind === "symlink" ? 0o777 : node.mode),
        owner: `${node.uid}:${node.gid}`,
        mtimeSec: Math.min(node.mtimeSec, mtimeClampSec),
        links: node.kind === "directory" ? 2 + directories : (links.get(node) ?? 0),
        xattrs: Object.fromEntries(
          [...(node.xattrs ?? [])]
            .map(([name, value]) => [name, Buffer.from(value).toString("hex")] as const)
            .sort(([a], [b]) => (a < b ? -1 : 1)),
        ),
      };
      if (node.kind === "file") listed.data = `${node.content.sizeBytes} ${node.content.sha256}`;
      if (node.kind === "symlink") listed.data = node.target;
      if (node.kind === "char" || node.kind === "block") listed.data = `${node.major}:${node.minor}`;
      return [path, listed];
    }),
  );
}
