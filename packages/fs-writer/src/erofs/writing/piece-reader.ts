import { type ByteSource, bytesSource, type FileSource, FormatError, openFileSource } from "@cvm-build/bytes";
import type { PackedPieces, PieceView } from "./piece.ts";

/** Reads pieces, and opens a file once for those that come from it one after the other. */
export class PieceReader implements Disposable {
  readonly #paths: readonly string[];
  readonly #bytes: ByteSource;
  #open: FileSource | undefined;

  constructor({ paths, bytes }: PackedPieces) {
    this.#paths = paths;
    this.#bytes = bytesSource(bytes);
  }

  /**
   * Fills `target` from where `fromBytes` of the piece is.
   * @throws FormatError where the file has become too short
   */
  fill(target: Buffer, { pathIndex, offsetBytes }: PieceView, fromBytes: number): void {
    const source = this.#sourceOf(pathIndex);
    if (source.readInto) source.readInto(target, offsetBytes + fromBytes);
    else source.read(offsetBytes + fromBytes, target.length).copy(target);
  }

  /** The error for a piece whose bytes are not those of its digest. */
  changed({ pathIndex, offsetBytes, sha256 }: PieceView): FormatError {
    const record = this.#paths[pathIndex] || "content";
    return new FormatError({ record, offsetBytes }, `expected content with SHA-256 ${sha256}`);
  }

  [Symbol.dispose](): void {
    this.#open?.[Symbol.dispose]();
    this.#open = undefined;
  }

  #sourceOf(pathIndex: number): ByteSource {
    if (pathIndex === 0) return this.#bytes;
    const path = this.#paths[pathIndex] as string;
    if (this.#open?.path === path) return this.#open;
    this[Symbol.dispose]();
    this.#open = openFileSource(path);
    return this.#open;
  }
}
