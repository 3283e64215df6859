import type { ByteSource } from "@cvm-build/bytes";
import { LazyContent, openVfat } from "@cvm-build/fs-writer";
import { BoundedTree, FOUND, type FoundTree, putFound } from "./found-tree.ts";

/**
 * The tree of a FAT volume.
 * @throws FormatError
 */
export function treeOfVfat(source: ByteSource): FoundTree {
  const tree = new BoundedTree();
  for (const { path, kind, mode, mtimeSec, data } of openVfat(source).entries()) {
    const attributes = { mode, mtimeSec, uid: 0, gid: 0, origin: FOUND };
    putFound(
      tree,
      path,
      kind === "directory" ? { ...attributes, kind } : { ...attributes, kind, content: LazyContent.in(data) },
    );
  }
  return { tree, leftOut: [] };
}
