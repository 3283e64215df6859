import { CvmError } from "@cvm-build/bytes";
import {
  type Attributes,
  compareUtf8,
  type Content,
  contentOf,
  type FileTree,
  type Origin,
  parentOf,
  readContent,
} from "@cvm-build/fs-writer";
import type { FinisherEffect } from "./finisher.ts";
import { landingPath } from "./packages/landing-path.ts";

/** Text files that finishers read are small; a larger one is not what it claims to be. */
const MAX_TEXT_BYTES = 4 << 20;

/** Permissions and owner of what is written; root's where left out. */
export interface NewAttributes {
  mode?: number;
  uid?: number;
  gid?: number;
}

/** Changes a tree on behalf of one origin, follows links of directories, and remembers which paths it touched. */
export class TreeEditor {
  readonly tree: FileTree;
  readonly #origin: Origin;
  readonly #mtimeSec: number;
  readonly #touched = new Set<string>();

  constructor(tree: FileTree, { origin, mtimeSec }: { origin: Origin; mtimeSec: number }) {
    this.tree = tree;
    this.#origin = origin;
    this.#mtimeSec = mtimeSec;
  }

  /** Whether something, be it a dangling link, stands at `path`. */
  has(path: string): boolean {
    return this.tree.has(this.#land(path));
  }

  /** The text of the file that `path` leads to, or undefined where there is none. */
  readText(path: string): string | undefined {
    const node = this.tree.follow(path);
    if (node?.kind !== "file") return undefined;
    if (node.content.sizeBytes > MAX_TEXT_BYTES) {
      throw new CvmError("tree", `cannot read "${path}": expected at most ${MAX_TEXT_BYTES} bytes of text`);
    }
    return readContent(node.content).toString("utf8");
  }

  /** Writes a regular file: 0644 and root's unless told otherwise. */
  writeFile(path: string, content: string | Content, attributes: NewAttributes = {}): void {
    const body = typeof content === "string" ? contentOf(content) : content;
    this.#put(path, { ...this.#attributes(attributes, 0o644), kind: "file", content: body });
  }

  writeSymlink(path: string, target: string): void {
    this.#put(path, { ...this.#attributes({}, 0o777), kind: "symlink", target });
  }

  /** Makes a directory where there is none: 0755 and root's unless told otherwise. Says whether it made one. */
  makeDirectory(path: string, attributes: NewAttributes = {}): boolean {
    if (this.tree.follow(path)?.kind === "directory") return false;
    this.#put(path, { ...this.#attributes(attributes, 0o755), kind: "directory" });
    return true;
  }

  /** Changes permissions or ownership of the node that `path` leads to. Says whether there is one. */
  setAttributes(path: string, attributes: NewAttributes): boolean {
    const target = this.tree.resolve(path);
    const node = target === undefined ? undefined : this.tree.get(target);
    if (target === undefined || !node) return false;
    // A hard link's other names keep the object: they are changed with it.
    Object.assign(node, attributes);
    this.#touched.add(target);
    return true;
  }

  remove(path: string): boolean {
    const place = this.#land(path);
    const isRemoved = this.tree.delete(place);
    if (isRemoved) this.#touched.add(place);
    return isRemoved;
  }

  effect(summary: string): FinisherEffect {
    return { summary, paths: [...this.#touched].sort(compareUtf8) };
  }

  #put(path: string, node: Parameters<FileTree["set"]>[1]): void {
    const place = this.#land(path);
    const parent = parentOf(place);
    if (this.tree.get(parent)?.kind !== "directory") this.makeDirectory(parent);
    this.tree.set(place, node);
    this.#touched.add(place);
  }

  #land(path: string): string {
    return landingPath(this.tree, path, this.#origin.name);
  }

  #attributes({ mode, uid, gid }: NewAttributes, defaultMode: number): Attributes {
    return { mode: mode ?? defaultMode, uid: uid ?? 0, gid: gid ?? 0, mtimeSec: this.#mtimeSec, origin: this.#origin };
  }
}
