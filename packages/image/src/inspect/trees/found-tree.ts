import { CvmError, FormatError } from "@cvm-build/bytes";
import type { FileTree, Origin, TreeNode } from "@cvm-build/fs-writer";

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

/**
 * Puts a node of a foreign image into a tree.
 * @throws FormatError where it has no directory to go to
 */
export function putFound(tree: FileTree, path: string, node: TreeNode): void {
  try {
    tree.set(path, node);
  } catch (cause) {
    if (!(cause instanceof CvmError)) throw cause;
    throw new FormatError({ record: "image", field: "name" }, cause.message, { cause });
  }
}
