import { mkdirSync, openSync, closeSync } from "node:fs";
import { join } from "node:path";
import type { Sha256Hex } from "@cvm-build/bytes";
import { systemCodeOf, writeFailure } from "../errors.ts";

/** The store's folders. All are on one file system, so that a rename moves a finished file into place. */
export interface StoreLayout {
  directory: string;
  /** `objects/ab/cdef…`: bytes by SHA-256, flushed to disk before they get their name. */
  objects: string;
  /** `derived/<kind>/<key>` and `<key>.json`: what can be computed again, not flushed. */
  derived: string;
  /** `references/<kind>/<key>`: small notes on which object something was, always verified again. */
  references: string;
  /** `partial/<digest>.<n>`: downloads under way or cut short. */
  partial: string;
  /** Files being written by somebody. */
  temporary: string;
  /** Objects that were not what their name says, until the next prune. */
  damaged: string;
}

/** The folders of a store in `directory`. */
export function layoutOf(directory: string): StoreLayout {
  const folder = (name: string) => join(directory, name);
  return {
    directory,
    objects: folder("objects"),
    derived: folder("derived"),
    references: folder("references"),
    partial: folder("partial"),
    temporary: folder("temporary"),
    damaged: folder("damaged"),
  };
}

/** Where an object is, or would be. */
export function objectPathOf(layout: StoreLayout, sha256: Sha256Hex): string {
  return join(layout.objects, sha256.slice(0, 2), sha256.slice(2));
}

/** How many names `createUnique` tries: far more than processes can share a store. */
const MAX_NAMES = 10_000;

let counter = 0;

/**
 * Makes an empty file that is nobody else's. The name is free because the file system says so, not because it is random.
 * @param directory made if it is missing
 * @returns its path, below `directory`, beginning with `prefix`
 * @throws StoreError `disk-full`, `store-unusable`
 */
export function createUnique(directory: string, prefix: string): string {
  for (let tries = 0; tries < MAX_NAMES; tries += 1) {
    counter += 1;
    const path = join(directory, `${prefix}${process.pid}-${counter}`);
    try {
      closeSync(openSync(path, "wx", 0o644));
      return path;
    } catch (error) {
      const code = systemCodeOf(error);
      if (code === "ENOENT") makeFolder(directory);
      else if (code !== "EEXIST") throw writeFailure(error, path);
    }
  }
  throw new Error(`internal error: no free name in ${directory}`);
}

/**
 * Makes a folder and its parents.
 * @throws StoreError `disk-full`, `store-unusable`
 */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw writeFailure(error, path);
  }
}
