import { type ByteSource, FormatError } from "@cvm-build/bytes";
import { FileTree } from "../file-tree.ts";
import type { Attributes, Origin, TreeNode } from "../tree.ts";
import { EROFS_MAX_DECODED_BYTES, type ErofsImage, openErofs } from "./reader.ts";
import { ContentSpool } from "./reading/content-spool.ts";
import { deviceOf } from "./reading/inode.ts";
import { type ErofsPath, walkErofs } from "./reading/walk.ts";

/** How a tree is read, and how far the image is trusted. */
export interface ReadErofsTreeOptions {
  /** Where contents that are not small are kept, in a file `contents`. */
  contentFolder: string;
  /** What the nodes are said to come from. */
  origin?: Origin;
  /** How large all contents may be together, and what may be decompressed for them; 32 GiB unless given. */
  maxContentBytes?: number;
  /** How large the tree without contents may be, as `walkErofs` counts it; 1 GiB unless given. */
  maxTreeBytes?: number;
}

const DEFAULT_ORIGIN: Origin = { kind: "artifact", name: "erofs" };

/**
 * Reads an erofs image into a tree: several names of one inode are one node. Times lose their nanoseconds.
 * @throws FormatError where the image is damaged, is larger than it may be, or holds what a tree cannot: sockets, names
 * that are not UTF-8, paths that Linux could not open
 */
export function readErofsTree(source: ByteSource, options: ReadErofsTreeOptions): FileTree {
  const { maxContentBytes = EROFS_MAX_DECODED_BYTES, origin = DEFAULT_ORIGIN } = options;
  const image = openErofs(source, { maxDecodedBytes: maxContentBytes });
  const spool = new ContentSpool(options.contentFolder, maxContentBytes);
  let tree: FileTree | undefined;
  const nodes = new Map<number, TreeNode>();
  try {
    for (const found of walkErofs(image, options)) {
      const node = nodes.get(found.inode.nid) ?? nodeOf(found, { image, spool, origin });
      nodes.set(found.inode.nid, node);
      if (tree) tree.set(found.path, node);
      else tree = new FileTree(node);
    }
    return tree as FileTree;
  } catch (error) {
    spool.discard();
    throw error;
  } finally {
    spool[Symbol.dispose]();
  }
}

function nodeOf(
  { path, inode }: ErofsPath,
  { image, spool, origin }: { image: ErofsImage; spool: ContentSpool; origin: Origin },
): TreeNode {
  const { kind, mode, uid, gid, mtimeSec } = inode;
  const xattrs = image.xattrs(inode);
  const attributes: Attributes = { mode, uid, gid, mtimeSec, origin, ...(xattrs && { xattrs }) };
  switch (kind) {
    case "file":
      return { ...attributes, kind, content: spool.keep(image, inode) };
    case "symlink":
      return { ...attributes, kind, target: image.target(inode) };
    case "char":
    case "block":
      return { ...attributes, kind, ...deviceOf(inode) };
    case "directory":
    case "fifo":
      return { ...attributes, kind };
    case "socket":
      throw new FormatError({ record: "erofs" }, `expected what a tree can hold, got socket ${JSON.stringify(path)}`);
  }
}
