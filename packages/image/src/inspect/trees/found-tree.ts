import { CvmError, FormatError } from "@cvm-build/bytes";
import { FileTree, type Origin, type TreeNode } from "@cvm-build/fs-writer";

/** A tree that was found in an image. */
export interface FoundTree {
  tree: FileTree;
  /** What is in the image and not in the tree, in words. */
  leftOut: string[];
}

/** Nodes of inspected images come from none of the sources that an image is made of. */
export const FOUND: Origin = { kind: "artifact", name: "image" };

/** What the directory `/` is where an image does not say. */
export const ROOT_ATTRIBUTES = { mode: 0o755, uid: 0, gid: 0, mtimeSec: 0, origin: FOUND };

/** How much paths and nodes may take: of common paths, about a million. */
const MAX_TREE_BYTES = 2 ** 30;
/** What a node takes in memory beside its path, about: objects, and its places in two tables. */
const NODE_BYTES = 1024;

/** A tree of what is in an archive or file system, which a small one that is compressed cannot make grow without end. */
export class BoundedTree extends FileTree {
  #leftBytes = MAX_TREE_BYTES;

  constructor() {
    super(ROOT_ATTRIBUTES);
  }

  /** @throws FormatError, beside what `FileTree` throws, where the tree would be too large */
  override set(path: string, node: TreeNode): void {
    this.#leftBytes -= NODE_BYTES + path.length;
    if (this.#leftBytes < 0)
      throw new FormatError({ record: "image" }, "expected a tree no larger than the limit allows");
    super.set(path, node);
  }
}

/**
 * Puts a node of a foreign image into a tree.
 * @throws FormatError where it has no directory to go to, or the tree is as large as it may be
 */
export function putFound(tree: FileTree, path: string, node: TreeNode): void {
  try {
    tree.set(path, node);
  } catch (cause) {
    if (!(cause instanceof CvmError) || cause instanceof FormatError) throw cause;
    throw new FormatError({ record: "image", field: "name" }, cause.message, { cause });
  }
}
