import { type ByteSource, FormatError } from "@cvm-build/bytes";
import { PATH_MAX_BYTES } from "../archive-path.ts";
import { FileTree } from "../file-tree.ts";
import type { Attributes, Origin, TreeNode } from "../tree.ts";
import { EROFS_MAX_DECODED_BYTES, type ErofsImage, openErofs } from "./reader.ts";
import { ContentSpool } from "./reading/content-spool.ts";
import { deviceOf, type ErofsInode } from "./reading/inode.ts";

/** How a tree is read, and how far the image is trusted. */
export interface ReadErofsTreeOptions {
  /** Where contents that are not small are kept, in a file `contents`. */
  contentFolder: string;
  /** What the nodes are said to come from. */
  origin?: Origin;
  /** How large all contents may be together, and what may be decompressed for them; 32 GiB unless given. */
  maxContentBytes?: number;
  /** How much paths, targets, attributes and the data of directories may take together; 1 GiB unless given. */
  maxTreeBytes?: number;
}

const DEFAULT_ORIGIN: Origin = { kind: "artifact", name: "erofs" };
const DEFAULT_TREE_BYTES = 2 ** 30;
/** What an entry takes in memory beside its path, about. */
const ENTRY_BYTES = 256;

/**
 * Reads an erofs image into a tree: several names of one inode are one node. Times lose their nanoseconds.
 * @throws FormatError where the image is damaged, is larger than it may be, or holds what a tree cannot: sockets, names
 * that are not UTF-8, paths that Linux could not open
 */
export function readErofsTree(source: ByteSource, options: ReadErofsTreeOptions): FileTree {
  const image = openErofs(source, { maxDecodedBytes: options.maxContentBytes ?? EROFS_MAX_DECODED_BYTES });
  const spool = new ContentSpool(options.contentFolder);
  try {
    return new TreeReader(image, spool, options).read();
  } catch (error) {
    spool.discard();
    throw error;
  } finally {
    spool[Symbol.dispose]();
  }
}

interface Directory {
  path: string;
  inode: ErofsInode;
  parentNid: number;
}

class TreeReader {
  readonly #image: ErofsImage;
  readonly #spool: ContentSpool;
  readonly #origin: Origin;
  readonly #nodes = new Map<number, TreeNode>();
  #contentBytes: number;
  #treeBytes: number;

  constructor(image: ErofsImage, spool: ContentSpool, options: ReadErofsTreeOptions) {
    this.#image = image;
    this.#spool = spool;
    this.#origin = options.origin ?? DEFAULT_ORIGIN;
    this.#contentBytes = options.maxContentBytes ?? EROFS_MAX_DECODED_BYTES;
    this.#treeBytes = options.maxTreeBytes ?? DEFAULT_TREE_BYTES;
  }

  read(): FileTree {
    const root = this.#image.root;
    const rootNode = this.#node(root, "/");
    const tree = new FileTree(rootNode);
    const waiting: Directory[] = [{ path: "/", inode: root, parentNid: root.nid }];
    for (let directory = waiting.pop(); directory; directory = waiting.pop()) {
      const { path: parentPath, inode: parent, parentNid } = directory;
      this.#take(parent.sizeBytes);
      for (const { name, nid, kind } of this.#image.entries(parent, { parentNid })) {
        const path = parentPath === "/" ? `/${name}` : `${parentPath}/${name}`;
        this.#checkPath(path);
        const known = this.#nodes.get(nid);
        if (known?.kind === "directory") throw refused(path, "a directory that has one name");
        const inode = known ? undefined : this.#image.inode(nid);
        if ((inode ?? known)?.kind !== kind) throw refused(path, `the type that its directory says, ${kind}`);
        tree.set(path, inode ? this.#node(inode, path) : (known as TreeNode));
        if (inode?.kind === "directory") waiting.push({ path, inode, parentNid: parent.nid });
      }
    }
    return tree;
  }

  #node(inode: ErofsInode, path: string): TreeNode {
    const node = this.#newNode(inode, path);
    this.#nodes.set(inode.nid, node);
    return node;
  }

  #newNode(inode: ErofsInode, path: string): TreeNode {
    const { kind, mode, uid, gid, mtimeSec } = inode;
    this.#take(inode.xattrs.sizeBytes);
    const xattrs = this.#image.xattrs(inode);
    const attributes: Attributes = { mode, uid, gid, mtimeSec, origin: this.#origin, ...(xattrs && { xattrs }) };
    switch (kind) {
      case "file":
        this.#contentBytes -= inode.sizeBytes;
        if (this.#contentBytes < 0) throw refused(path, "contents no larger than the limit allows");
        return { ...attributes, kind, content: this.#spool.keep(this.#image, inode) };
      case "symlink":
        this.#take(inode.sizeBytes);
        return { ...attributes, kind, target: this.#image.target(inode) };
      case "char":
      case "block":
        return { ...attributes, kind, ...deviceOf(inode) };
      case "directory":
      case "fifo":
        return { ...attributes, kind };
      case "socket":
        throw refused(path, "what a tree can hold, not a socket");
    }
  }

  #checkPath(path: string): void {
    const sizeBytes = Buffer.byteLength(path);
    if (sizeBytes >= PATH_MAX_BYTES) throw refused(path, `a path shorter than ${PATH_MAX_BYTES} bytes`);
    this.#take(ENTRY_BYTES + sizeBytes);
  }

  #take(sizeBytes: number): void {
    this.#treeBytes -= sizeBytes;
    if (this.#treeBytes < 0)
      throw new FormatError({ record: "erofs" }, "expected a tree no larger than the limit allows");
  }
}

function refused(path: string, expected: string): FormatError {
  const shown = path.length > 200 ? `${path.slice(0, 200)}…` : path;
  return new FormatError({ record: "erofs", field: "tree" }, `expected ${expected}, at ${JSON.stringify(shown)}`);
}
