import { CvmError } from "@cvm-build/bytes";
import { type FileTree, parentOf, type TreeNode } from "@cvm-build/fs-writer";

/** Linux's own limit on symbolic links in one path. */
const MAX_SYMLINKS = 40;

/** Copies chosen paths of one tree into another, with the directories and symbolic links on their way. */
export class TreePicker {
  readonly source: FileTree;
  readonly target: FileTree;

  /** @param trees nodes of `source` become nodes of `target`: neither may be changed in place afterwards */
  constructor(trees: { source: FileTree; target: FileTree }) {
    this.source = trees.source;
    this.target = trees.target;
  }

  /**
   * Takes what `path` leads to, through every symbolic link, and what is on the way. A directory is taken without what is
   * in it.
   * @returns where the path ended, or undefined where it leads nowhere; what is on the way has been taken then, too
   * @throws CvmError `tree` where links go round
   */
  take(path: string): string | undefined {
    const names = path.split("/").filter(Boolean).reverse();
    let at = "/";
    let links = 0;
    for (let name = names.pop(); name !== undefined; name = names.pop()) {
      if (name === ".") continue;
      if (name === "..") {
        at = parentOf(at);
        continue;
      }
      const next = at === "/" ? `/${name}` : `${at}/${name}`;
      const node = this.source.get(next);
      if (!node) return undefined;
      this.#copy(next, node);
      if (node.kind !== "symlink") {
        at = next;
        continue;
      }
      if (++links > MAX_SYMLINKS) {
        throw new CvmError("tree", `cannot copy "${path}": expected at most ${MAX_SYMLINKS} symbolic links on its way`);
      }
      if (node.target.startsWith("/")) at = "/";
      names.push(...node.target.split("/").filter(Boolean).reverse());
    }
    return at;
  }

  /** Takes the directory that `path` leads to with everything below it. Links below it are taken as they are. */
  takeAll(path: string): void {
    const top = this.take(path);
    if (top === undefined) return;
    for (const [below, node] of this.source.entries(top)) if (below !== top) this.#copy(below, node);
  }

  #copy(path: string, node: TreeNode): void {
    const existing = this.target.get(path);
    if (existing === node || (existing?.kind === "directory" && node.kind === "directory")) return;
    this.target.set(path, node);
  }
}
