import type { ByteSource } from "@cvm-build/bytes";
import {
  type Attributes,
  deviceOf,
  type ErofsImage,
  type ErofsInode,
  FileTree,
  LazyContent,
  openErofs,
  type TreeNode,
  walkErofs,
} from "@cvm-build/fs-writer";
import { FOUND, type FoundTree, putFound } from "./found-tree.ts";

/**
 * The tree of an erofs image.
 * @throws FormatError
 */
export function treeOfErofs(source: ByteSource): FoundTree {
  const image = openErofs(source);
  const tree = new FileTree(attributesOf(image, image.root));
  const leftOut: string[] = [];
  const links = new Map<number, TreeNode>();
  for (const { path, inode } of walkErofs(image)) {
    if (path === "/") continue;
    const { kind } = inode;
    if (kind === "socket") {
      leftOut.push(`socket ${path}`);
      continue;
    }
    const node = links.get(inode.nid) ?? nodeOf(image, { ...inode, kind });
    if (kind !== "directory") links.set(inode.nid, node);
    putFound(tree, path, node);
  }
  return { tree, leftOut };
}

function attributesOf(image: ErofsImage, inode: ErofsInode): Attributes {
  const { mode, uid, gid, mtimeSec } = inode;
  const xattrs = image.xattrs(inode);
  return { mode, uid, gid, mtimeSec, origin: FOUND, ...(xattrs && { xattrs }) };
}

function nodeOf(image: ErofsImage, inode: ErofsInode & { kind: TreeNode["kind"] }): TreeNode {
  const attributes = attributesOf(image, inode);
  switch (inode.kind) {
    case "file":
      return { ...attributes, kind: "file", content: new LazyContent(inode.sizeBytes, () => image.content(inode)) };
    case "symlink":
      return { ...attributes, kind: "symlink", target: image.target(inode) };
    case "char":
    case "block":
      return { ...attributes, kind: inode.kind, ...deviceOf(inode) };
    case "fifo":
    case "directory":
      return { ...attributes, kind: inode.kind };
  }
}
