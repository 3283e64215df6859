import { borrowedChunksOf, type ByteSource, FormatError } from "@cvm-build/bytes";
import { archivePath, type CpioEntry, LazyContent, readCpio, type TreeNode } from "@cvm-build/fs-writer";
import type { Workspace } from "../workspace.ts";
import { BoundedTree, FOUND, type FoundTree, putFound } from "./found-tree.ts";

/** What an initrd may hold, uncompressed. One that was compressed as a whole is in memory as a whole. */
const MAX_SIZE_BYTES = 2 ** 32;
/** Larger contents are not kept in memory, nor others when they are too many. */
const SMALL_BYTES = 1 << 16;
const MAX_MEMORY_BYTES = 1 << 26;
const MAX_TARGET_BYTES = 4095;

/**
 * The tree that the kernel would unpack of an initrd: archives in a row, each compressed or not.
 * @param workspace where contents go that are asked for; without one they are read anew each time
 * @throws FormatError
 */
export function treeOfInitrd(source: ByteSource, workspace?: Workspace): FoundTree {
  const tree = new BoundedTree();
  const links = new Map<string, TreeNode>();
  let index = 0;
  let memoryBytes = 0;
  for (const entry of readCpio(source, { maxSizeBytes: MAX_SIZE_BYTES })) {
    const name = archivePath(entry.name, "cpio");
    const path = tree.resolveParent(name);
    if (path === undefined) {
      throw new FormatError({ record: "cpio", field: "name" }, `expected a directory for "${name}"`);
    }
    const { sizeBytes } = entry.data;
    const isSmall = sizeBytes <= SMALL_BYTES && memoryBytes + sizeBytes <= MAX_MEMORY_BYTES;
    if (isSmall) memoryBytes += sizeBytes;
    const content = entry.kind === "file" ? contentOfEntry(entry, { isSmall, source, index, workspace }) : undefined;
    putFound(tree, path, linkedNode(entry, { links, content }));
    index++;
  }
  return { tree, leftOut: [] };
}

/** Entries of one hard link group share a node; whichever has data says what they hold. */
function linkedNode(
  entry: CpioEntry,
  { links, content }: { links: Map<string, TreeNode>; content: LazyContent | undefined },
): TreeNode {
  const isLinked = entry.nlink > 1 && entry.kind !== "directory" && entry.kind !== "symlink";
  const known = isLinked ? links.get(entry.linkId) : undefined;
  const node = known ?? nodeOf(entry, content);
  if (known?.kind === "file" && content && content.sizeBytes > 0) known.content = content;
  if (isLinked) links.set(entry.linkId, node);
  return node;
}

function nodeOf(entry: CpioEntry, content: LazyContent | undefined): TreeNode {
  const { mode, uid, gid, mtimeSec, kind } = entry;
  const attributes = { mode, uid, gid, mtimeSec, origin: FOUND };
  switch (kind) {
    case "file":
      return { ...attributes, kind, content: content ?? new LazyContent(0, () => []) };
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

function targetOf({ name, data }: CpioEntry): string {
  const target = data.sizeBytes <= MAX_TARGET_BYTES ? data.read(0, data.sizeBytes).toString("utf8") : "";
  if (target !== "" && !target.includes("\0")) return target;
  throw new FormatError({ record: "cpio", field: "target" }, `expected a target of symlink "${name}"`);
}

/** The data of an entry are there only until the next is asked for, where they were compressed. */
function contentOfEntry(
  { data }: CpioEntry,
  place: { isSmall: boolean; source: ByteSource; index: number; workspace: Workspace | undefined },
): LazyContent {
  const { isSmall, source, index, workspace } = place;
  const { sizeBytes } = data;
  if (isSmall) {
    const bytes = Buffer.from(data.read(0, sizeBytes));
    return new LazyContent(sizeBytes, () => (sizeBytes === 0 ? [] : [bytes]));
  }
  if (workspace) return LazyContent.in(workspace.keep(data));
  return new LazyContent(sizeBytes, () => readAgain(source, index));
}

function* readAgain(source: ByteSource, wanted: number): Generator<Buffer> {
  let index = 0;
  for (const { data } of readCpio(source, { maxSizeBytes: MAX_SIZE_BYTES })) {
    if (index++ < wanted) continue;
    yield* borrowedChunksOf(data);
    return;
  }
}
