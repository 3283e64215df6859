import type { FileTree } from "./file-tree.ts";
import type { TreeNode } from "./tree.ts";

/**
 * A tree as text that reads like `ls`, for tests and reports: `file 0644 0:0 6 cc55e2ec` (mode, owner, size, start of
 * the SHA-256), `symlink usr/bin`, `char 0600 0:0 1:3`, `link /usr/bin/first` for the later paths of a hard link, names of
 * extended attributes after a `+`. A directory that says nothing (0755, root's, not empty) is left out.
 * @returns path to line, in tree order
 */
export function dumpTree(tree: FileTree): Record<string, string> {
  const firstPaths = new Map<TreeNode, string>();
  const lines: Record<string, string> = {};
  for (const [path, node] of tree.entries()) {
    const firstPath = node.kind === "directory" ? undefined : firstPaths.get(node);
    if (firstPath === undefined) firstPaths.set(node, path);
    const line = firstPath === undefined ? dumpNode(node) : `link ${firstPath}`;
    if (line !== PLAIN_DIRECTORY || tree.list(path).length === 0) lines[path] = line;
  }
  return lines;
}

const PLAIN_DIRECTORY = "directory 0755 0:0";

function dumpNode(node: TreeNode): string {
  const owner = `${node.uid}:${node.gid}`;
  const attributes = `${node.kind} ${node.mode.toString(8).padStart(4, "0")} ${owner}`;
  return (
    describe() +
    [...(node.xattrs?.keys() ?? [])]
      .sort()
      .map((name) => ` +${name}`)
      .join("")
  );

  function describe(): string {
    switch (node.kind) {
      case "file":
        return `${attributes} ${node.content.sizeBytes} ${node.content.sha256.slice(0, 8)}`;
      case "symlink":
        return `symlink ${node.target}${owner === "0:0" ? "" : ` ${owner}`}`;
      case "char":
      case "block":
        return `${attributes} ${node.major}:${node.minor}`;
      default:
        return attributes;
    }
  }
}
