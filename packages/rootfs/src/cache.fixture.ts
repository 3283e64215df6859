import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DerivedCache, DerivedObject } from "@cvm-build/fs-writer";

/** A `DerivedCache` in a folder, forgotten with the process, for tests. `commits` counts what was made anew. */
export class CacheFixture implements DerivedCache, Disposable {
  commits = 0;
  readonly #parent: string;
  /** Made when something is to be kept. */
  #made: string | undefined;
  readonly #objects = new Map<string, DerivedObject>();
  #reserved = 0;

  /** @param parent the folder in which it makes its own */
  constructor(parent: string = tmpdir()) {
    this.#parent = parent;
  }

  [Symbol.dispose](): void {
    if (this.#made !== undefined) rmSync(this.#made, { recursive: true, force: true });
  }

  get #directory(): string {
    this.#made ??= mkdtempSync(join(this.#parent, "cvm-build-cache-"));
    return this.#made;
  }

  lookup(kind: string, key: string): DerivedObject | undefined {
    return this.#objects.get(`${kind}-${key}`);
  }

  reserve(): string {
    return `${this.#directory}/temporary-${this.#reserved++}`;
  }

  commit(kind: string, key: string, written: Parameters<DerivedCache["commit"]>[2]): DerivedObject {
    this.commits++;
    const path = `${this.#directory}/${kind}-${key}`;
    renameSync(written.temporaryPath, path);
    const { sizeBytes, sha256, meta } = written;
    const object = { path, sizeBytes, sha256, meta: JSON.parse(JSON.stringify(meta)) as unknown };
    this.#objects.set(`${kind}-${key}`, object);
    return object;
  }

  discard(kind: string, key: string): void {
    const object = this.#objects.get(`${kind}-${key}`);
    if (object) rmSync(object.path, { force: true });
    this.#objects.delete(`${kind}-${key}`);
  }
}
