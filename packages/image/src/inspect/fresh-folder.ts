import { lstatSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { CvmError } from "@cvm-build/bytes";

/**
 * A folder that is filled beside its place and moved there whole. Nobody else knows it before, and nothing that stood at
 * the place is touched.
 */
export class FreshFolder implements Disposable {
  /** Where it is made and filled. */
  readonly path: string;
  readonly #target: string;
  /** What is around it, and goes with all that is left in it. */
  readonly scratch: string;

  /** @throws CvmError `exists` where there is something at `target` other than an empty folder */
  constructor(target: string) {
    this.#target = target;
    if (isTaken(target)) throw taken(target);
    mkdirSync(dirname(target), { recursive: true });
    this.scratch = mkdtempSync(join(dirname(target), `.${basename(target)}.`));
    this.path = join(this.scratch, "content");
  }

  /** A place for a file that goes beside the folder. */
  beside(name: string): string {
    return join(this.scratch, name);
  }

  /**
   * Moves the folder to its place, and files beside it, the folder last.
   * @param files name in the temporary place to path
   * @throws CvmError `exists` where something has come to stand there
   */
  finish(files: ReadonlyMap<string, string>): void {
    for (const path of files.values()) if (lstatSync(path, { throwIfNoEntry: false })) throw taken(path);
    if (isTaken(this.#target)) throw taken(this.#target);
    const moved: string[] = [];
    try {
      for (const [name, path] of files) {
        renameSync(this.beside(name), path);
        moved.push(path);
      }
      renameSync(this.path, this.#target);
    } catch (error) {
      // What is mounted, for one, looks like an empty folder and cannot be replaced.
      for (const path of moved) rmSync(path, { force: true });
      throw error;
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.scratch, { recursive: true, force: true });
  }
}

function isTaken(path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return false;
  return !found.isDirectory() || readdirSync(path).length > 0;
}

/** Says that there is something at a path already. */
export function taken(path: string): CvmError<"exists"> {
  return new CvmError("exists", `cannot write "${path}": expected nothing there, got something`, {
    hint: "name another folder, or take that one away",
    details: { path },
  });
}
