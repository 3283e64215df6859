import { type ByteSource, CvmError, FormatError } from "@cvm-build/bytes";
import { archivePath, PATH_MAX_BYTES } from "../archive-path.ts";
import { decodeArchiveText } from "../archive-text.ts";
import { contentOf } from "../content.ts";
import { FileTree } from "../file-tree.ts";
import type { Attributes, Content, Origin, TreeNode } from "../tree.ts";
import { type CpioEntry, readCpio, type ReadCpioOptions } from "./reader.ts";

/** How a tree is made of an initrd. */
export interface ReadCpioTreeOptions extends ReadCpioOptions {
  /** What the nodes are said to come from. */
  origin: Origin;
  /** The tree to fill, which may have a limit; one of its own unless given. */
  tree?: FileTree;
  /**
   * What becomes of a file's data, which is there only until it returns; kept in memory unless given.
   * @param index how many entries there were before
   */
  keep?: (data: ByteSource, index: number) => Content;
}

/**
 * What the kernel would unpack from an initrd, as a tree: later entries take the place of earlier ones, links on the way
 * are followed.
 * @throws FormatError as `readCpio` does, and where an entry has no directory to go to
 */
export function readCpioTree(source: ByteSource, options: ReadCpioTreeOptions): FileTree {
  const { origin, keep = keepInMemory } = options;
  const tree = options.tree ?? new FileTree({ mode: 0o755, uid: 0, gid: 0, mtimeSec: 0, origin });
  const links = new Map<string, TreeNode>();
  let index = 0;
  for (const entry of readCpio(source, options)) {
    const at = index++;
    const name = archivePath(entry.name, "cpio");
    const path = tree.resolveParent(name);
    if (path === undefined)
      throw new FormatError({ record: "cpio", field: "name" }, `expected a directory for "${name}"`);
    putNode(tree, path, linkedNode(entry, { links, origin, content: () => keep(entry.data, at) }));
  }
  return tree;
}

/** Entries of one hard link group share a node; whichever has data says what they hold. */
function linkedNode(entry: CpioEntry, { links, ...rest }: NodeOptions & { links: Map<string, TreeNode> }): TreeNode {
  const isLinked = entry.nlink > 1 && entry.kind !== "directory" && entry.kind !== "symlink";
  const known = isLinked ? links.get(entry.linkId) : undefined;
  const node = known ?? nodeOf(entry, rest);
  if (known?.kind === "file" && entry.data.sizeBytes > 0) known.content = rest.content();
  if (isLinked) links.set(entry.linkId, node);
  return node;
}

interface NodeOptions {
  origin: Origin;
  content: () => Content;
}

function nodeOf(entry: CpioEntry, { origin, content }: NodeOptions): TreeNode {
  const { mode, uid, gid, mtimeSec, kind } = entry;
  const attributes: Attributes = { mode, uid, gid, mtimeSec, origin };
  switch (kind) {
    case "file":
      return { ...attributes, kind, content: content() };
    case "symlink":
      return { ...attributes, kind, target: targetOf(entry) };
    case "char":
    case "block":
      return { ...attributes, kind, major: entry.rdevmajor, minor: entry.rdevminor };
    case "directory":
    case "fifo":
      return { ...attributes, kind };
  }
}

function keepInMemory(data: ByteSource): Content {
  return contentOf(data.read(0, data.sizeBytes));
}

function targetOf({ name, data }: CpioEntry): string {
  const place = { record: "cpio", field: "target" };
  if (data.sizeBytes === 0 || data.sizeBytes >= PATH_MAX_BYTES) {
    throw new FormatError(
      place,
      `expected 1 to ${PATH_MAX_BYTES - 1} bytes in symlink "${name}", got ${data.sizeBytes}`,
    );
  }
  const target = decodeArchiveText(data.read(0, data.sizeBytes), place);
  if (target.includes("\0")) throw new FormatError(place, `expected a target without NUL in symlink "${name}"`);
  return target;
}

/** The kernel removes what is in the way if it is of another type, but never a directory that holds something. */
function putNode(tree: FileTree, path: string, node: TreeNode): void {
  try {
    tree.set(path, node);
  } catch (cause) {
    if (!(cause instanceof CvmError) || cause instanceof FormatError) throw cause;
    throw new FormatError({ record: "cpio", field: "name" }, cause.message, { cause });
  }
}
