import { type ByteSource, chunksOf, FormatError, sliceSource } from "@cvm-build/bytes";
import { archivePath, type FileTree, LazyContent, readTar, type TarEntry, type TreeNode } from "@cvm-build/fs-writer";
import { BoundedTree, FOUND, type FoundTree, putFound, ROOT_ATTRIBUTES } from "./found-tree.ts";

/**
 * The tree of an archive as tar would unpack it in an empty folder: later entries take the place of earlier ones.
 * @param source the archive, not compressed
 * @throws FormatError
 */
export async function treeOfTar(source: ByteSource): Promise<FoundTree> {
  const tree = new BoundedTree();
  await readTar(chunksOf(source), (entry) => {
    putFound(tree, placeOf(tree, archivePath(entry.name, "tar")), nodeOf(tree, source, entry));
  });
  return { tree, leftOut: [] };
}

/**
 * Where an entry goes: links on the way are followed, as they would be in a folder that is all there is, and directories
 * made that the archive leaves out.
 */
function placeOf(tree: FileTree, name: string): string {
  const parts = name.split("/").slice(1);
  const last = parts.pop() ?? "";
  let at = "";
  for (const part of parts) {
    const next = `${at}/${part}`;
    const target = tree.resolve(next);
    if (target === undefined) {
      if (tree.has(next)) {
        throw new FormatError({ record: "tar", field: "name" }, `expected a directory for ${JSON.stringify(name)}`);
      }
      putFound(tree, next, { ...ROOT_ATTRIBUTES, kind: "directory" });
    }
    at = target === undefined ? next : target === "/" ? "" : target;
  }
  return `${at}/${last}`;
}

function nodeOf(tree: FileTree, source: ByteSource, entry: TarEntry): TreeNode {
  const { mode, uid, gid, mtimeSec, xattrs, type } = entry;
  const attributes = { mode, uid, gid, mtimeSec, origin: FOUND, ...(xattrs.size > 0 && { xattrs }) };
  switch (type) {
    case "file": {
      return {
        ...attributes,
        kind: "file",
        content: LazyContent.in(sliceSource(source, entry.dataOffsetBytes, entry.sizeBytes)),
      };
    }
    case "symlink":
      return { ...attributes, kind: "symlink", target: entry.linkname };
    case "link": {
      const target = tree.resolveParent(archivePath(entry.linkname, "tar"));
      const node = target === undefined ? undefined : tree.get(target);
      if (node && node.kind !== "directory") return node;
      throw new FormatError(
        { record: "tar", field: "linkname" },
        `expected an earlier entry for link "${entry.name}", got "${entry.linkname}"`,
      );
    }
    case "char":
    case "block":
      return { ...attributes, kind: type, major: entry.devmajor, minor: entry.devminor };
    case "directory":
    case "fifo":
      return { ...attributes, kind: type };
  }
}
