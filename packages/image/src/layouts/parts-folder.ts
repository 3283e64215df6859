import { mkdirSync, rmSync } from "node:fs";
import type { Generation } from "../output.ts";

/** Where the parts of an image are made before they are put together; it goes with them when it is disposed of. */
export class PartsFolder implements Disposable {
  readonly path: string;

  constructor(generation: Generation) {
    this.path = generation.path(".parts");
    mkdirSync(this.path);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
