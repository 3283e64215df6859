import { ContentReader } from "../content.ts";
import { TAR_BLOCK_BYTES } from "./format.ts";
import type { FileTree } from "../file-tree.ts";
import type { FileNode, TreeNode } from "../tree.ts";
import { encodeTarHeader, TAR_END, type TarInput, tarPadding } from "./writer.ts";

/** What beside a tree determines an archive. */
export interface TarTreeOptions {
  /** No entry is newer than this: seconds since 1970. */
  mtimeClampSec: number;
}

/** An archive that is laid out and not yet made. */
export interface TarLayout {
  sizeBytes: number;
  /** @throws FormatError where a content's place no longer holds its bytes */
  chunks(): Generator<Buffer>;
}

/** Where the kind of a node is called otherwise. */
type EntryHeader = Omit<TarInput, "bytes"> & { sizeBytes: number };

/**
 * Lays a tree out as a tar archive, named `./…` in the tree's order. Files, devices and fifos under several paths are links
 * to the first.
 * @throws CvmError `archive` where a node does not fit the format
 * @see POSIX.1-2017, pax
 */
export function layOutTar(tree: FileTree, options: TarTreeOptions): TarLayout {
  const firstNames = new Map<TreeNode, string>();
  const entries: { header: Buffer; file: FileNode | undefined }[] = [];
  let sizeBytes = TAR_END.length;
  for (const [path, node] of tree.entries()) {
    const name = `.${path}${node.kind === "directory" && path !== "/" ? "/" : ""}`;
    const firstName = firstNames.get(node);
    const isLinkable = node.kind !== "directory" && node.kind !== "symlink";
    if (isLinkable && firstName === undefined) firstNames.set(node, name);
    const isLink = isLinkable && firstName !== undefined;
    const header = encodeTarHeader({
      ...headerOf(node, options),
      name,
      ...(isLink && { type: "link", linkname: firstName, sizeBytes: 0 }),
    });
    const file = node.kind === "file" && !isLink ? node : undefined;
    entries.push({ header, file });
    const dataBytes = Math.ceil((file?.content.sizeBytes ?? 0) / TAR_BLOCK_BYTES) * TAR_BLOCK_BYTES;
    sizeBytes += header.length + dataBytes;
  }
  return {
    sizeBytes,
    *chunks() {
      using reader = new ContentReader();
      for (const { header, file } of entries) {
        yield header;
        if (!file) continue;
        yield* reader.chunks(file.content);
        yield tarPadding(file.content.sizeBytes);
      }
      yield TAR_END;
    },
  };
}

function headerOf(node: TreeNode, { mtimeClampSec }: TarTreeOptions): EntryHeader {
  const { kind, mode, uid, gid, mtimeSec, xattrs } = node;
  return {
    name: "",
    type: kind,
    mode: kind === "symlink" ? 0o777 : mode,
    ...{ uid, gid },
    mtimeSec: Math.max(0, Math.min(mtimeSec, mtimeClampSec)),
    sizeBytes: kind === "file" ? node.content.sizeBytes : 0,
    ...(kind === "symlink" && { linkname: node.target }),
    ...((kind === "char" || kind === "block") && { devmajor: node.major, devminor: node.minor }),
    ...(xattrs && { xattrs: new Map([...xattrs].sort(([a], [b]) => (a < b ? -1 : 1))) }),
  };
}
