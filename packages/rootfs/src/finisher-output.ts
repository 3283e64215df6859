import { CvmError } from "@cvm-build/bytes";
import { compareUtf8, contentOf, type FileTree, type Origin } from "@cvm-build/fs-writer";
import type { FinisherEffect } from "./finisher.ts";

/** Writes a finisher's results into the tree, follows symbolic links on the way, and remembers every path for the manifest. */
export class FinisherOutput {
  readonly #tree: FileTree;
  readonly #origin: Origin;
  readonly #mtimeSec: number;
  readonly #paths = new Set<string>();

  /** @param origin whom the nodes belong to; `mtimeSec` is the profile's `SourceDateEpoch` */
  constructor(tree: FileTree, { origin, mtimeSec }: { origin: Origin; mtimeSec: number }) {
    this.#tree = tree;
    this.#origin = origin;
    this.#mtimeSec = mtimeSec;
  }

  /** Puts a file of root's at `path`, 0644 unless `mode` says otherwise. Missing parents are made. */
  writeFile(path: string, data: Uint8Array | string, { mode = 0o644 }: { mode?: number } = {}): void {
    const place = this.#prepare(path);
    this.#tree.set(place, { ...this.#attributes(mode), kind: "file", content: contentOf(data) });
    this.#paths.add(place);
  }

  /** Puts a symbolic link at `path`. Missing parents are made. */
  writeSymlink(path: string, target: string): void {
    const place = this.#prepare(path);
    this.#tree.set(place, { ...this.#attributes(0o777), kind: "symlink", target });
    this.#paths.add(place);
  }

  /** Takes away the node at exactly `path`. */
  remove(path: string): void {
    if (this.#tree.delete(path)) this.#paths.add(path);
  }

  /** What was done, for the manifest. */
  effect(summary: string): FinisherEffect {
    return { summary, paths: [...this.#paths].sort(compareUtf8) };
  }

  /** @returns the path with the links of its directories followed, every directory there */
  #prepare(path: string): string {
    const names = path.split("/").filter(Boolean);
    let directory = "/";
    for (const name of names.slice(0, -1)) {
      const next = directory === "/" ? `/${name}` : `${directory}/${name}`;
      if (!this.#tree.has(next)) this.#tree.set(next, { ...this.#attributes(0o755), kind: "directory" });
      const resolved = this.#tree.resolve(next);
      if (resolved === undefined || this.#tree.get(resolved)?.kind !== "directory") {
        throw new CvmError("tree", `cannot write "${path}": expected "${next}" to lead to a directory`);
      }
      directory = resolved;
    }
    return directory === "/" ? `/${names.at(-1)}` : `${directory}/${names.at(-1)}`;
  }

  #attributes(mode: number): { mode: number; uid: number; gid: number; mtimeSec: number; origin: Origin } {
    return { mode, uid: 0, gid: 0, mtimeSec: this.#mtimeSec, origin: this.#origin };
  }
}
