import { CvmError } from "@cvm-build/bytes";
import type { Attributes, Origin, TreeNode } from "./tree.ts";

/** How many symbolic links one path may lead through: Linux's own limit. */
const MAX_SYMLINKS = 40;

/**
 * A file system in memory: absolute, normalised paths (`/usr/bin/reth`) to nodes. Every parent of a node is a directory
 * of the tree. File contents stay where they are; a node only says where.
 */
export class FileTree {
  readonly #nodes = new Map<string, TreeNode>();
  readonly #children = new Map<string, Set<string>>();

  /** @param root attributes of `/` */
  constructor(root: Attributes) {
    this.#nodes.set("/", { ...root, kind: "directory" });
    this.#children.set("/", new Set());
  }

  get size(): number {
    return this.#nodes.size;
  }

  /** The node at exactly `path`; symbolic links are not followed. */
  get(path: string): TreeNode | undefined {
    return this.#nodes.get(path);
  }

  has(path: string): boolean {
    return this.#nodes.has(path);
  }

  /**
   * Puts `node` at `path`, in place of what was there. A directory put over a directory keeps its children.
   * @throws CvmError `tree` where a parent is missing or is no directory, or a directory with children would be lost
   */
  set(path: string, node: TreeNode): void {
    checkPath(path);
    const existing = this.#nodes.get(path);
    if (node.kind !== "directory" && (this.#children.get(path)?.size ?? 0) > 0) {
      throw new CvmError(
        "tree",
        `cannot put ${node.kind} "${path}": expected a path without children, got a directory`,
      );
    }
    if (path !== "/") {
      const parent = this.#children.get(parentOf(path));
      if (!parent) throw new CvmError("tree", `cannot put "${path}": expected "${parentOf(path)}" to be a directory`);
      parent.add(path.slice(path.lastIndexOf("/") + 1));
    }
    if (node.kind === "directory") {
      if (existing?.kind !== "directory") this.#children.set(path, new Set());
    } else {
      this.#children.delete(path);
    }
    this.#nodes.set(path, node);
  }

  /** Makes `path` and its missing parents directories: 0755, root's, of that origin. */
  makeDirectories(path: string, origin: Origin): void {
    if (this.#nodes.get(path)?.kind === "directory") return;
    if (path !== "/") this.makeDirectories(parentOf(path), origin);
    this.set(path, { kind: "directory", mode: 0o755, uid: 0, gid: 0, mtimeSec: 0, origin });
  }

  /** Takes away the node at `path` and everything below it. Says whether there was one. */
  delete(path: string): boolean {
    if (path === "/" || !this.#nodes.has(path)) return false;
    for (const name of this.#children.get(path) ?? []) this.delete(join(path, name));
    this.#children.delete(path);
    this.#nodes.delete(path);
    this.#children.get(parentOf(path))?.delete(path.slice(path.lastIndexOf("/") + 1));
    return true;
  }

  /** Names in the directory at `path`, sorted; empty where it is none. */
  list(path: string): string[] {
    return [...(this.#children.get(path) ?? [])].sort(compareUtf8);
  }

  /**
   * Where `path` leads once every symbolic link on the way is followed, the last one too, as a chroot would.
   * @returns the path of a node that is no symbolic link, or undefined where it leads nowhere
   */
  resolve(path: string): string | undefined {
    return this.#walk(path, { followLast: true });
  }

  /** `path` with the symbolic links of its directories followed, but not the last one; the last name need not exist. */
  resolveParent(path: string): string | undefined {
    return this.#walk(path, { followLast: false });
  }

  /** The node that `path` leads to. */
  follow(path: string): TreeNode | undefined {
    const target = this.resolve(path);
    return target === undefined ? undefined : this.#nodes.get(target);
  }

  /** Every path and node, parents before children, names in byte order. */
  *entries(from = "/"): Generator<[path: string, node: TreeNode]> {
    const waiting = [from];
    for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
      const node = this.#nodes.get(path);
      if (!node) continue;
      yield [path, node];
      if (node.kind !== "directory") continue;
      const names = this.list(path);
      for (let index = names.length - 1; index >= 0; index--) waiting.push(join(path, names[index] ?? ""));
    }
  }

  #walk(path: string, { followLast }: { followLast: boolean }): string | undefined {
    let at = "/";
    let links = 0;
    const names = path.split("/").filter(Boolean).reverse();
    for (let name = names.pop(); name !== undefined; name = names.pop()) {
      if (name === ".") continue;
      if (name === "..") {
        at = parentOf(at);
        continue;
      }
      const next = join(at, name);
      const node = this.#nodes.get(next);
      const isLast = names.length === 0;
      if (node?.kind === "symlink" && (followLast || !isLast)) {
        if (++links > MAX_SYMLINKS) return undefined;
        if (node.target.startsWith("/")) at = "/";
        names.push(...node.target.split("/").filter(Boolean).reverse());
        continue;
      }
      if (!node && (followLast || !isLast)) return undefined;
      at = next;
    }
    return at;
  }
}

/** Orders strings as their UTF-8 bytes: what the kernel, tar and every image format see. */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const difference = utf8Rank(a.charCodeAt(at)) - utf8Rank(b.charCodeAt(at));
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** UTF-16 sorts characters beyond U+FFFF, which begin with a surrogate, before U+E000..U+FFFF; UTF-8 sorts them after. */
function utf8Rank(codeUnit: number): number {
  const isSurrogate = codeUnit >= 0xd800 && codeUnit <= 0xdfff;
  return isSurrogate ? codeUnit + 0x10000 : codeUnit;
}

/** The directory that holds `path`; `/` for itself. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

function join(directory: string, name: string): string {
  return directory === "/" ? `/${name}` : `${directory}/${name}`;
}

function checkPath(path: string): void {
  if (path === "/") return;
  const names = path.split("/").slice(1);
  const isNormal = path.startsWith("/") && names.every((name) => name !== "" && name !== "." && name !== "..");
  if (isNormal && !path.includes("\0")) return;
  throw new CvmError("tree", `cannot put ${JSON.stringify(path)}: expected an absolute, normalised path`);
}
