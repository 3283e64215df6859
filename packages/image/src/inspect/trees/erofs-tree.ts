import { type ByteSource, FormatError } from "@cvm-build/bytes";
import {
  type Attributes,
  deviceOf,
  EROFS_MAX_DECODED_BYTES,
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
  const budget: ContentBudget = { leftBytes: Math.max(EROFS_MAX_DECODED_BYTES, 2 * source.sizeBytes) };
  for (const { path, inode } of walkErofs(image)) {
    if (path === "/") continue;
    const { kind } = inode;
    if (kind === "socket") {
      leftOut.push(`socket ${path}`);
      continue;
    }
    const node = links.get(inode.nid) ?? nodeOf(image, { ...inode, kind }, budget);
    if (kind !== "directory") links.set(inode.nid, node);
    putFound(tree, path, node);
  }
  return { tree, leftOut };
}

/** How much may be read of contents that are asked for, each counted once: holes and blocks of many files take no room. */
interface ContentBudget {
  leftBytes: number;
}

function contentOfInode(image: ErofsImage, inode: ErofsInode, budget: ContentBudget): LazyContent {
  const { sizeBytes } = inode;
  let isCounted = false;
  return new LazyContent(sizeBytes, () => {
    if (!isCounted) budget.leftBytes -= sizeBytes;
    isCounted = true;
    if (budget.leftBytes >= 0) return image.content(inode);
    throw new FormatError({ record: "erofs" }, "expected contents no larger than the limit");
  });
}

function attributesOf(image: ErofsImage, inode: ErofsInode): Attributes {
  const { mode, uid, gid, mtimeSec } = inode;
  const xattrs = image.xattrs(inode);
  return { mode, uid, gid, mtimeSec, origin: FOUND, ...(xattrs && { xattrs }) };
}

function nodeOf(image: ErofsImage, inode: ErofsInode & { kind: TreeNode["kind"] }, budget: ContentBudget): TreeNode {
  const attributes = attributesOf(image, inode);
  switch (inode.kind) {
    case "file":
      return { ...attributes, kind: "file", content: contentOfInode(image, inode, budget) };
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
