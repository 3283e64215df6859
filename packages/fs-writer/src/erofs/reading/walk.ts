import { FormatError } from "@cvm-build/bytes";
import { PATH_MAX_BYTES } from "../../archive-path.ts";
import type { ErofsEntry } from "./directory.ts";
import type { ErofsInode } from "./inode.ts";

const DEFAULT_TREE_BYTES = 2 ** 30;
/** What an entry takes in memory beside its path, about. */
const ENTRY_BYTES = 256;
/** How much more attributes take in memory than in the image, where they are numbers of shared ones. */
const XATTR_FACTOR = 16;

/** A name of the tree and what it leads to: `/` first, directories before what is in them. */
export interface ErofsPath {
  path: string;
  /** Several paths with one number are hard links. */
  inode: ErofsInode;
}

/** Gives inodes and what is in directories. */
interface DirectoryReader {
  readonly root: ErofsInode;
  inode(nid: number): ErofsInode;
  entries(directory: ErofsInode, options: { parentNid: number }): Iterable<ErofsEntry>;
}

/**
 * Every path of an image.
 * @param options.maxTreeBytes how much paths, targets, attributes and data of directories may take together, so that a
 * small image cannot make a tree without end; 1 GiB unless given
 * @throws FormatError where a directory has two names, an entry tells another type than its inode has, a path is longer
 * than Linux takes, or the tree is larger than it may be
 */
export function* walkErofs(image: DirectoryReader, options: { maxTreeBytes?: number } = {}): Generator<ErofsPath> {
  let left = options.maxTreeBytes ?? DEFAULT_TREE_BYTES;
  const visit = (path: string, inode: ErofsInode): ErofsPath => {
    const ownBytes = inode.kind === "directory" || inode.kind === "symlink" ? inode.sizeBytes : 0;
    left -= ENTRY_BYTES + path.length + inode.xattrs.sizeBytes * XATTR_FACTOR + ownBytes;
    if (left < 0) throw refused(path, "a tree no larger than the limit allows");
    return { path, inode };
  };
  const { root } = image;
  const directories = new Set([root.nid]);
  const waiting = [{ path: "", inode: root, parentNid: root.nid }];
  yield visit("/", root);
  for (let directory = waiting.pop(); directory; directory = waiting.pop()) {
    const { inode: parent, parentNid } = directory;
    for (const { name, nid, kind } of image.entries(parent, { parentNid })) {
      const path = `${directory.path}/${name}`;
      if (Buffer.byteLength(path) >= PATH_MAX_BYTES) throw refused(path, `a path shorter than ${PATH_MAX_BYTES} bytes`);
      const inode = image.inode(nid);
      if (inode.kind !== kind) throw refused(path, `${kind} as its directory says, got ${inode.kind}`);
      yield visit(path, inode);
      if (kind !== "directory") continue;
      if (directories.has(nid)) throw refused(path, "a directory that has no other name");
      directories.add(nid);
      waiting.push({ path, inode, parentNid: parent.nid });
    }
  }
}

function refused(path: string, expected: string): FormatError {
  const shown = path.length > 200 ? `${path.slice(0, 200)}…` : path;
  return new FormatError({ record: "erofs", field: "tree" }, `expected ${expected}, at ${JSON.stringify(shown)}`);
}
