import { createHash } from "node:crypto";
import { createReadStream, readFileSync, renameSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import { type Sha256Hex, sha256Hex } from "@cvm-build/bytes";
import { isMissing, StoreError } from "../errors.ts";
import { renameDurably } from "./durable.ts";
import { makeFolder, objectPathOf, type StoreLayout } from "./layout.ts";
import { stampUse } from "./use-stamp.ts";

/** An object of the store: bytes whose name is their digest. */
export interface StoredObject {
  sha256: Sha256Hex;
  sizeBytes: number;
  path: string;
}

/**
 * The content-addressed part of the store.
 *
 * An object is hashed before it gets its name, and flushed before and after. What can happen to it later (a failing
 * disk, an editor) is found when its bytes are used: `lookup` compares the size, which costs nothing; `read` and
 * `verify` compare the digest. So a build that uses no bytes of a package does not read them, and one that does calls
 * `verify` first or hashes as it reads and calls `quarantine` when the digest is another.
 */
export class ObjectStore {
  readonly #layout: StoreLayout;
  readonly #now: () => Date;

  constructor(layout: StoreLayout, { now }: { now: () => Date }) {
    this.#layout = layout;
    this.#now = now;
  }

  /**
   * The object of that digest, if the store has it. One of another size than `sizeBytes` is moved away.
   * @returns undefined where it must be fetched
   */
  lookup(sha256: Sha256Hex, sizeBytes?: number): StoredObject | undefined {
    const path = objectPathOf(this.#layout, sha256);
    const status = statusOf(path);
    if (!status?.isFile()) return undefined;
    if (sizeBytes !== undefined && status.size !== sizeBytes) {
      this.quarantine(sha256);
      return undefined;
    }
    stampUse(path, { status, now: this.#now() });
    return { sha256, sizeBytes: status.size, path };
  }

  /**
   * The bytes of an object, compared with its digest.
   * @throws StoreError `not-found`; `damaged` where they are others: the object is then moved away
   */
  read(sha256: Sha256Hex): Buffer {
    const path = objectPathOf(this.#layout, sha256);
    let bytes: Buffer;
    try {
      bytes = readFileSync(path);
    } catch (error) {
      if (!isMissing(error)) throw error;
      throw new StoreError("not-found", `cannot read object "${sha256}": expected it in the store, got none`, {
        cause: error,
      });
    }
    const got = sha256Hex(bytes);
    if (got === sha256) return bytes;
    this.quarantine(sha256);
    throw new StoreError("damaged", `cannot read object "${sha256}": expected bytes of that digest, got ${got}`, {
      hint: "run again: the damaged object was moved away and will be fetched anew",
      details: { path, expected: sha256, found: got },
    });
  }

  /**
   * Hashes an object and moves it away if it is damaged.
   * @returns whether it is there and whole
   */
  async verify(sha256: Sha256Hex): Promise<boolean> {
    const got = await hashFile(objectPathOf(this.#layout, sha256));
    if (got === sha256) return true;
    if (got !== undefined) this.quarantine(sha256);
    return false;
  }

  /** Moves an object out of the way, so that it is fetched again and nobody uses it. */
  quarantine(sha256: Sha256Hex): void {
    makeFolder(this.#layout.damaged);
    try {
      renameSync(objectPathOf(this.#layout, sha256), join(this.#layout.damaged, sha256));
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }

  /**
   * Names a file that was written, hashed and flushed. It takes the place of what was there: the same bytes, or damaged.
   * @param sizeBytes of the file
   * @throws StoreError `disk-full`, `store-unusable`
   */
  commit(temporaryPath: string, { sha256, sizeBytes }: { sha256: Sha256Hex; sizeBytes: number }): StoredObject {
    const path = objectPathOf(this.#layout, sha256);
    try {
      renameDurably(temporaryPath, path);
    } catch (error) {
      // A build that was faster has also cleared away the attempts of others.
      if (!isMissing(error) || statusOf(path)?.size !== sizeBytes) throw error;
    }
    return { sha256, sizeBytes, path };
  }
}

/** SHA-256 of a file, read in the background; undefined where there is none. */
export async function hashFile(path: string): Promise<Sha256Hex | undefined> {
  return (await digestOfFile(path, "sha256")) as Sha256Hex | undefined;
}

/** Digest of a file in hex, read in the background; undefined where there is none. */
export async function digestOfFile(path: string, algorithm: "sha256" | "sha512"): Promise<string | undefined> {
  const hash = createHash(algorithm);
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  return hash.digest("hex");
}

function statusOf(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}
