import { contentOf } from "../content.ts";
import { FileTree } from "../file-tree.ts";
import type { TreeNode } from "../tree.ts";

const origin = { kind: "package", name: "sample" } as const;
const attributes = { uid: 0, gid: 0, mtimeSec: 1_700_000_000, origin };

/** Nodes of a small tree with something of everything, by path; parents first. */
export function sampleNodes(): Map<string, TreeNode> {
  const directory = { ...attributes, kind: "directory", mode: 0o755 } as const;
  const linked = { ...attributes, kind: "file", mode: 0o755, content: contentOf("linked") } as const;
  const label = new Map([["security.selinux", Buffer.from("label")]]);
  const labelled = (text: string): TreeNode => ({
    ...attributes,
    kind: "file",
    mode: 0o644,
    content: contentOf(text),
    xattrs: label,
  });
  return new Map<string, TreeNode>([
    ["/bin", { ...attributes, kind: "symlink", mode: 0o777, target: "usr/bin" }],
    ["/dev", directory],
    ["/dev/null", { ...attributes, kind: "char", mode: 0o666, major: 1, minor: 3 }],
    ["/dev/vda", { ...attributes, kind: "block", mode: 0o660, gid: 6, major: 254, minor: 300 }],
    ["/pipe", { ...attributes, kind: "fifo", mode: 0o600, mtimeSec: 9_999_999_999 }],
    ["/usr", directory],
    ["/usr/bin", { ...directory, mtimeSec: 5 }],
    ["/usr/bin/-", labelled("before the dots")],
    ["/usr/bin/a", linked],
    ["/usr/bin/b", linked],
    ["/usr/bin/block", { ...linked, content: contentOf(Buffer.alloc(4096, "block ")) }],
    ["/usr/bin/empty", labelled("")],
    ["/usr/bin/same", { ...linked, uid: 70_000, content: contentOf(Buffer.alloc(5000, "same ")) }],
    ["/usr/bin/same-too", { ...linked, content: contentOf(Buffer.alloc(5000, "same ")) }],
    ["/usr/bin/tail", labelled("ends beside its inode ".repeat(250))],
  ]);
}

/** The tree of `nodes`. */
export function treeOf(nodes: Iterable<readonly [path: string, node: TreeNode]>): FileTree {
  const tree = new FileTree({ ...attributes, mode: 0o755 });
  for (const [path, node] of nodes) tree.set(path, node);
  return tree;
}
