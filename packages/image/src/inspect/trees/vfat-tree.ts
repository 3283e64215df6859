import type { ByteSource } from "@cvm-build/bytes";
import { FileTree, LazyContent, openVfat } from "@cvm-build/fs-writer";
import { FOUND, type FoundTree, putFound, ROOT_ATTRIBUTES } from "./found-tree.ts";

/**
 * The tree of a FAT volume.
 * @throws FormatError
 */
export function treeOfVfat(source: ByteSource): FoundTree {
  const tree = new FileTree(ROOT_ATTRIBUTES);
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
