import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { systemCodeOf, writeFailure } from "../errors.ts";
import { createUnique, makeFolder } from "./layout.ts";

/**
 * Gives a finished, flushed file its name. The name appears at once or not at all, and after a power cut it leads to the
 * whole content: the file was flushed before, the folder is flushed after.
 * @throws StoreError `disk-full`, `store-unusable`
 */
export function renameDurably(from: string, to: string): void {
  const folder = dirname(to);
  try {
    if (!existsSync(folder)) {
      makeFolder(folder);
      flushFolder(dirname(folder));
    }
    renameSync(from, to);
    flushFolder(folder);
  } catch (error) {
    throw writeFailure(error, to);
  }
}

/**
 * Replaces a small file as one step, without flushing: after a power cut it may be empty or missing, which its reader
 * takes for absent.
 * @param temporaryFolder where it is written first, on the same file system
 * @throws StoreError `disk-full`, `store-unusable`
 */
export function replaceFile(path: string, text: string, { temporaryFolder }: { temporaryFolder: string }): void {
  const temporaryPath = writeTemporary(Buffer.from(text), { temporaryFolder, prefix: "note.", flush: false });
  try {
    makeFolder(dirname(path));
    renameSync(temporaryPath, path);
  } catch (error) {
    rmSync(temporaryPath, { force: true });
    throw writeFailure(error, path);
  }
}

/**
 * Writes bytes to a fresh file that is going to be renamed. Leaves none behind where it fails.
 * @param options.flush whether the bytes must be on the disk when this returns
 * @returns its path
 * @throws StoreError `disk-full`, `store-unusable`
 */
export function writeTemporary(
  bytes: Uint8Array,
  { temporaryFolder, prefix, flush }: { temporaryFolder: string; prefix: string; flush: boolean },
): string {
  const path = createUnique(temporaryFolder, prefix);
  try {
    writeFileSync(path, bytes, { flush });
    return path;
  } catch (error) {
    rmSync(path, { force: true });
    throw writeFailure(error, path);
  }
}

function flushFolder(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } catch (error) {
    // Some file systems (overlays, network shares) cannot flush a folder; there a rename is as durable as it gets.
    if (systemCodeOf(error) !== "EINVAL") throw error;
  } finally {
    closeSync(descriptor);
  }
}
