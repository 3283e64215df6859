import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isSha256Hex, type Sha256Hex, sha256Hex } from "@cvm-build/bytes";
import { isMissing } from "../errors.ts";
import { replaceFile } from "./durable.ts";
import type { StoreLayout } from "./layout.ts";

/** What a reference says: the InRelease file that a suite had last, the tarball that an npm integrity stands for. */
export type ReferenceKind = "inrelease" | "npm";

/**
 * Notes on which object something was when it was last fetched. They only save the network: whoever follows one
 * verifies what it leads to (signature, integrity) as if it had just arrived.
 */
export class References {
  readonly #layout: StoreLayout;

  constructor(layout: StoreLayout) {
    this.#layout = layout;
  }

  /** The digest noted under `subject`, or undefined. */
  get(kind: ReferenceKind, subject: string): Sha256Hex | undefined {
    try {
      const text = readFileSync(this.#pathOf(kind, subject), "utf8").trim();
      return isSha256Hex(text) ? text : undefined;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /**
   * Notes the digest of `subject`.
   * @throws StoreError `disk-full`, `store-unusable`
   */
  set(kind: ReferenceKind, subject: string, sha256: Sha256Hex): void {
    if (this.get(kind, subject) === sha256) return;
    const temporaryFolder = this.#layout.temporary;
    replaceFile(this.#pathOf(kind, subject), `${sha256}\n`, { temporaryFolder });
  }

  #pathOf(kind: ReferenceKind, subject: string): string {
    return join(this.#layout.references, kind, sha256Hex(subject));
  }
}
