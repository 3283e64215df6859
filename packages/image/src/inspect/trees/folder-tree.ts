import { lstatSync, readdirSync, readlinkSync, type Stats } from "node:fs";
import { join } from "node:path";
import { borrowedChunksOf, openFileSource } from "@cvm-build/bytes";
import { FileTree, LazyContent, type TreeNode } from "@cvm-build/fs-writer";
import { FOUND, type FoundTree, putFound, ROOT_ATTRIBUTES } from "./found-tree.ts";

/** The tree of a folder of this machine, without extended attributes, which Node cannot read. */
export function treeOfFolder(folder: string): FoundTree {
  const tree = new FileTree(ROOT_ATTRIBUTES);
  const found: FoundTree = { tree, leftOut: [] };
  const links = new Map<string, TreeNode>();
  const waiting = ["/"];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const place = join(folder, path);
    const stats = lstatSync(place);
    const link = stats.nlink > 1 && !stats.isDirectory() ? `${stats.dev}:${stats.ino}` : undefined;
    const node = (link === undefined ? undefined : links.get(link)) ?? nodeOf(place, stats);
    if (!node) {
      found.leftOut.push(`socket ${path}`);
      continue;
    }
    if (link !== undefined) links.set(link, node);
    putFound(tree, path, node);
    if (node.kind !== "directory") continue;
    for (const name of readdirSync(place)) waiting.push(join(path, name));
  }
  return found;
}

function nodeOf(place: string, stats: Stats): TreeNode | undefined {
  const { uid, gid, mtimeMs, size, rdev } = stats;
  const attributes = { mode: stats.mode & 0o7777, uid, gid, mtimeSec: Math.floor(mtimeMs / 1000), origin: FOUND };
  if (stats.isDirectory()) return { ...attributes, kind: "directory" };
  if (stats.isFile()) return { ...attributes, kind: "file", content: new LazyContent(size, () => read(place)) };
  if (stats.isSymbolicLink()) return { ...attributes, kind: "symlink", target: readlinkSync(place) };
  if (stats.isFIFO()) return { ...attributes, kind: "fifo" };
  if (stats.isCharacterDevice()) return { ...attributes, kind: "char", ...numbersOf(rdev) };
  return stats.isBlockDevice() ? { ...attributes, kind: "block", ...numbersOf(rdev) } : undefined;
}

function* read(place: string): Generator<Buffer> {
  using source = openFileSource(place);
  yield* borrowedChunksOf(source);
}

/** @see makedev(3), of glibc on Linux: numbers of 32 bits each, of which the kernel uses 12 and 20 */
function numbersOf(rdev: number): { major: number; minor: number } {
  return { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) };
}
