import { createHash } from "node:crypto";
import { closeSync, ftruncateSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { finishSha256, FormatError, writeFully } from "@cvm-build/bytes";
import { contentOf } from "../../content.ts";
import type { Content } from "../../tree.ts";
import type { ErofsInode } from "./inode.ts";
import type { ErofsRun } from "./run.ts";

/** The file that contents are put into, one after the other. */
const SPOOL_NAME = "contents";
/** Contents up to this size stay in memory, as long as they are not too many. */
const SMALL_BYTES = 1 << 15;
const MAX_MEMORY_BYTES = 1 << 26;

/** Gives a file's runs and their bytes. */
interface RunReader {
  runs(inode: ErofsInode): Iterable<ErofsRun>;
  contentOfRun(run: ErofsRun): Iterable<Buffer>;
}

/** Keeps contents of files: small ones in memory, others in one sparse file. */
export class ContentSpool implements Disposable {
  readonly #path: string;
  #descriptor: number | undefined;
  #endBytes = 0;
  #memoryBytes = 0;
  #leftBytes: number;

  /**
   * @param folder where the file is made; there must not be one already
   * @param maxBytes how large all contents may be together
   */
  constructor(folder: string, maxBytes: number) {
    this.#path = join(folder, SPOOL_NAME);
    this.#leftBytes = maxBytes;
  }

  /**
   * Reads the content of an inode.
   * @throws FormatError where it is damaged, or there is more than there may be
   */
  keep(reader: RunReader, inode: ErofsInode): Content {
    const { sizeBytes } = inode;
    this.#leftBytes -= sizeBytes;
    if (this.#leftBytes < 0) throw new FormatError({ record: "erofs" }, "expected contents no larger than the limit");
    const isSmall = sizeBytes <= SMALL_BYTES && this.#memoryBytes + sizeBytes <= MAX_MEMORY_BYTES;
    if (!isSmall) return this.#write(reader, inode);
    this.#memoryBytes += sizeBytes;
    const pieces: Buffer[] = [];
    for (const run of reader.runs(inode)) pieces.push(...reader.contentOfRun(run));
    return contentOf(Buffer.concat(pieces));
  }

  /** Takes away what was written, for one who fails. */
  discard(): void {
    if (this.#descriptor === undefined) return;
    this[Symbol.dispose]();
    rmSync(this.#path);
  }

  [Symbol.dispose](): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #write(reader: RunReader, inode: ErofsInode): Content {
    const descriptor = (this.#descriptor ??= openSync(this.#path, "wx"));
    const offsetBytes = this.#endBytes;
    const hash = createHash("sha256");
    for (const run of reader.runs(inode)) {
      for (const piece of reader.contentOfRun(run)) {
        hash.update(piece);
        if (run.kind !== "hole") writeFully(descriptor, piece, this.#endBytes);
        this.#endBytes += piece.length;
      }
      if (run.kind === "hole") ftruncateSync(descriptor, this.#endBytes);
    }
    const { sizeBytes } = inode;
    return { sizeBytes, sha256: finishSha256(hash), file: { path: this.#path, offsetBytes } };
  }
}
