import type { FileTree } from "../file-tree.ts";
import type { TreeNode } from "../tree.ts";

/** What mtree(5) calls a node. */
export const MTREE_TYPES = {
  directory: "dir",
  file: "file",
  symlink: "link",
  fifo: "fifo",
  block: "block",
  char: "char",
} as const satisfies Record<TreeNode["kind"], string>;

/**
 * A tree as an mtree(5) specification with everything that an archive of it would have, a path a line in tree order. Paths
 * of one hard link have one `inode`. Extended attributes, which mtree has no word for, are comments before their path's line.
 * @see mtree(5), of libarchive
 */
export function* encodeMtree(tree: FileTree, { mtimeClampSec }: { mtimeClampSec: number }): Generator<string> {
  yield "#mtree v2.0\n";
  const inodes = inodesOf(tree);
  for (const [path, node] of tree.entries()) {
    const shown = path === "/" ? "." : escape(`.${path}`);
    const xattrs = [...(node.xattrs ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [name, value] of xattrs) {
      yield `# xattr ${shown} ${escape(name)}=0x${Buffer.from(value).toString("hex")}\n`;
    }
    const inode = inodes.get(node);
    const fields = [
      ...[shown, `type=${MTREE_TYPES[node.kind]}`],
      `mode=${(node.kind === "symlink" ? 0o777 : node.mode).toString(8).padStart(4, "0")}`,
      ...[`uid=${node.uid}`, `gid=${node.gid}`],
      `time=${Math.max(0, Math.min(node.mtimeSec, mtimeClampSec))}.0`,
      ...ownFields(node),
      ...(inode === undefined ? [] : [`nlink=${inode.nlink}`, `inode=${inode.number}`]),
    ];
    yield `${fields.join(" ")}\n`;
  }
}

function ownFields(node: TreeNode): string[] {
  switch (node.kind) {
    case "file":
      return [`size=${node.content.sizeBytes}`, `sha256digest=${node.content.sha256}`];
    case "symlink":
      return [`link=${escape(node.target)}`];
    case "char":
    case "block":
      return [`device=linux,${node.major},${node.minor}`];
    default:
      return [];
  }
}

/** Of nodes under several paths, numbered in tree order. */
function inodesOf(tree: FileTree): Map<TreeNode, { number: number; nlink: number }> {
  const counts = new Map<TreeNode, number>();
  for (const [, node] of tree.entries()) {
    if (node.kind !== "directory" && node.kind !== "symlink") counts.set(node, (counts.get(node) ?? 0) + 1);
  }
  const linked = [...counts].filter(([, nlink]) => nlink > 1);
  return new Map(linked.map(([node, nlink], index) => [node, { number: index + 1, nlink }]));
}

/** White space, comments, patterns, backslashes, and what is no printable ASCII, in octal. @see vis(3), VIS_OCTAL */
function escape(text: string): string {
  let escaped = "";
  for (const byte of Buffer.from(text)) {
    const isPlain = byte > 0x20 && byte < 0x7f && !UNSAFE.includes(byte);
    escaped += isPlain ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, "0")}`;
  }
  return escaped;
}

const UNSAFE = Buffer.from("#*=?[\\");
