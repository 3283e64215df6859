import { lstatSync, readdirSync, readFileSync, type Stats, statSync } from "node:fs";
import { isAbsolute, relative } from "node:path";
import { compareCodeUnits, CvmError, type Sha256Hex, sha256Hex } from "@cvm-build/bytes";
import { profileError, type ProfileErrorCode, quoteText } from "./error.ts";

/** Files of a configuration are written by people. */
const LARGEST_FILE_BYTES = 1024 * 1024;

/** The directory that a configuration is read from: remembers what was read, and reads nothing beside it. */
export class ProfileDisk {
  readonly directory: string;
  readonly #digests = new Map<string, Sha256Hex>();

  /** @param directory absolute */
  constructor(directory: string) {
    this.directory = directory;
  }

  /** Every file read, by its path below the directory, sorted. */
  get files(): { path: string; sha256: Sha256Hex }[] {
    return [...this.#digests]
      .map(([path, sha256]) => ({ path, sha256 }))
      .sort((a, b) => compareCodeUnits(a.path, b.path));
  }

  /** Names a path as the user would: below the directory, with slashes. */
  show(path: string): string {
    return relative(this.directory, path).replaceAll("\\", "/") || ".";
  }

  /** Tells whether an absolute path is the directory or below it. */
  contains(path: string): boolean {
    const below = relative(this.directory, path);
    return !isAbsolute(below) && !/^\.\.([/\\]|$)/.test(below);
  }

  /**
   * Tells what is at a path, symlinks followed.
   * @throws CvmError `profile-unreadable` for a symlink that leads nowhere: it was meant to be something
   */
  kind(path: string): "file" | "directory" | "absent" {
    const stats = this.#stat(path);
    return stats === undefined ? "absent" : stats.isDirectory() ? "directory" : "file";
  }

  /** Tells whether somebody may run the file. */
  isExecutable(path: string): boolean {
    const stats = this.#stat(path);
    return stats !== undefined && stats.isFile() && (stats.mode & 0o111) !== 0;
  }

  /** Lists a directory in code unit order; an absent one is empty. */
  list(path: string): string[] {
    if (this.kind(path) !== "directory") return [];
    return this.#attempt(path, () => readdirSync(path)).sort(compareCodeUnits);
  }

  /**
   * Reads a text file below the directory.
   * @throws CvmError `profile-unreadable` if it is absent, elsewhere, too large or not UTF-8
   */
  readText(path: string): string {
    const at = this.show(path);
    if (!this.contains(path)) throw unreadable(at, `a file below ${this.directory}`, quoteText(path));
    const stats = this.#stat(path);
    if (stats === undefined || !stats.isFile())
      throw unreadable(at, "a file", stats ? "something else" : "nothing there");
    if (stats.size > LARGEST_FILE_BYTES) throw unreadable(at, "at most 1 MiB", `${stats.size} bytes`);
    const bytes = this.#attempt(path, () => readFileSync(path));
    const text = this.#attempt(path, () => new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (text.includes("\0")) throw unreadable(at, "text", "a NUL character");
    this.#digests.set(at, sha256Hex(bytes));
    return text;
  }

  #stat(path: string): Stats | undefined {
    const stats = this.#attempt(path, () => statSync(path, { throwIfNoEntry: false }));
    if (stats === undefined && lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) {
      throw unreadable(this.show(path), "something behind the symlink", "nothing");
    }
    return stats;
  }

  /** Runs a step that fails for reasons of the disk or of the bytes on it. */
  #attempt<T>(path: string, step: () => T): T {
    try {
      return step();
    } catch (error) {
      const got = error instanceof TypeError ? "bytes that are not UTF-8" : (error as NodeJS.ErrnoException).code;
      throw unreadable(this.show(path), "something readable", got ?? "an error", error);
    }
  }
}

function unreadable(file: string, expected: string, got: string, cause?: unknown): CvmError<ProfileErrorCode> {
  return profileError("profile-unreadable", { cannot: "read file", at: { file }, expected, got, cause });
}
