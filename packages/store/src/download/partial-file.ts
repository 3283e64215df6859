import { createHash, type Hash } from "node:crypto";
import { createReadStream, readdirSync, rmSync, statSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { finishSha256, type Sha256Hex } from "@cvm-build/bytes";
import { isMissing, writeFailure } from "../errors.ts";
import { createUnique, type StoreLayout } from "../objects/layout.ts";

/** A download that nobody has written to for this long belongs to nobody. */
const ABANDONED_AFTER_MS = 10 * 60_000;

/**
 * The file of a download under way, hashed while it is written.
 *
 * Its name begins with the digest that it shall have, so that a download that was cut short (even by kill -9) is found
 * by the next. That one takes over the bytes by copying them: the file it found may still be written by another
 * process, and two writers of one file could spoil it after it was verified. Reading it is needed for the digest anyway.
 */
export class PartialFile {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #algorithm: "sha256" | "sha512";
  #sha256: Hash = createHash("sha256");
  /** The digest asked for, where that is another than the one that the store names objects by. */
  #sha512: Hash | undefined;
  #sizeBytes = 0;

  private constructor(path: string, { handle, algorithm }: { handle: FileHandle; algorithm: "sha256" | "sha512" }) {
    this.path = path;
    this.#handle = handle;
    this.#algorithm = algorithm;
    this.#beginHashes();
  }

  /**
   * Opens a file for the download of `key`, with the bytes of the longest earlier attempt in it.
   * @param options.key the digest asked for, in hex
   * @param options.maxBytes how much may be taken over
   * @throws StoreError `disk-full`, `store-unusable`
   */
  static async open(
    layout: StoreLayout,
    { key, algorithm, maxBytes }: { key: string; algorithm: "sha256" | "sha512"; maxBytes: number },
  ): Promise<PartialFile> {
    const earlier = attemptsFor(layout, key);
    const { path, handle } = await createFor(layout, key);
    const file = new PartialFile(path, { handle, algorithm });
    try {
      const longest = earlier.find(({ sizeBytes }) => sizeBytes > 0 && sizeBytes <= maxBytes);
      if (longest !== undefined) await file.#inherit(longest.path);
      const { mtimeMs } = await handle.stat();
      for (const attempt of earlier) {
        if (mtimeMs - attempt.mtimeMs > ABANDONED_AFTER_MS) rmSync(attempt.path, { force: true });
      }
      return file;
    } catch (error) {
      await file.discard();
      throw error;
    }
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /**
   * Appends bytes.
   * @throws StoreError `disk-full`, `store-unusable`
   */
  async append(chunk: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < chunk.length;) {
        const { bytesWritten } = await this.#handle.write(chunk, done, chunk.length - done, this.#sizeBytes + done);
        done += bytesWritten;
      }
    } catch (error) {
      throw writeFailure(error, this.path);
    }
    this.#sha256.update(chunk);
    this.#sha512?.update(chunk);
    this.#sizeBytes += chunk.length;
  }

  /** Throws all bytes away, to begin anew. */
  async reset(): Promise<void> {
    await this.#handle.truncate(0);
    this.#beginHashes();
    this.#sizeBytes = 0;
  }

  /** The digest of the bytes so far, in hex, by the algorithm of the digest asked for. */
  digest(): string {
    return (this.#sha512 ?? this.#sha256).copy().digest("hex");
  }

  /** What the store will name the bytes by. */
  sha256(): Sha256Hex {
    return finishSha256(this.#sha256.copy());
  }

  /**
   * Flushes to disk and closes: ready to get its name.
   * @throws StoreError `disk-full`
   */
  async finish(): Promise<void> {
    try {
      await this.#handle.sync();
      await this.#handle.close();
    } catch (error) {
      throw writeFailure(error, this.path);
    }
  }

  /** Closes and keeps the bytes for the next attempt; a file without any is removed. */
  async keep(): Promise<void> {
    if (this.#sizeBytes === 0) return this.discard();
    await this.#handle.close();
  }

  /** Closes and removes the file. */
  async discard(): Promise<void> {
    rmSync(this.path, { force: true });
    await this.#handle.close();
  }

  #beginHashes(): void {
    this.#sha256 = createHash("sha256");
    this.#sha512 = this.#algorithm === "sha512" ? createHash("sha512") : undefined;
  }

  async #inherit(path: string): Promise<void> {
    try {
      for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) await this.append(chunk as Buffer);
    } catch (error) {
      // Its owner has finished or dropped it meanwhile.
      if (!isMissing(error)) throw error;
    }
  }
}

/**
 * Makes and opens a file for an attempt. Whoever has just fetched the same clears away all attempts at it, and so perhaps
 * this one before it is open; once open, it may lose its name and is written all the same.
 */
async function createFor(layout: StoreLayout, key: string): Promise<{ path: string; handle: FileHandle }> {
  while (true) {
    const path = createUnique(layout.partial, `${key}.`);
    try {
      return { path, handle: await open(path, "r+") };
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
}

/** Removes what earlier attempts left, once the object is there. */
export function removeAttempts(layout: StoreLayout, key: string): void {
  for (const { path } of attemptsFor(layout, key)) rmSync(path, { force: true });
}

/** The files of earlier attempts, the longest first. */
function attemptsFor(layout: StoreLayout, key: string): { path: string; sizeBytes: number; mtimeMs: number }[] {
  let names: string[];
  try {
    names = readdirSync(layout.partial);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
  return names
    .filter((name) => name.startsWith(`${key}.`))
    .flatMap((name) => {
      const path = join(layout.partial, name);
      const status = statSync(path, { throwIfNoEntry: false });
      return status === undefined ? [] : [{ path, sizeBytes: status.size, mtimeMs: status.mtimeMs }];
    })
    .sort((a, b) => b.sizeBytes - a.sizeBytes);
}
