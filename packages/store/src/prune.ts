import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { compareCodeUnits } from "@cvm-build/bytes";
import { isMissing } from "./errors.ts";
import type { StoreLayout } from "./objects/layout.ts";

/** What a prune did. Sizes are of contents, in bytes. */
export interface PruneReport {
  removedFiles: number;
  removedBytes: number;
  keptFiles: number;
  keptBytes: number;
}

/** How far to prune. */
export interface PruneOptions {
  /** What the store may hold afterwards. */
  maxBytes: number;
}

/** A temporary file or cut-off download that nobody has written to for this long belongs to nobody. */
const STALE_AFTER_MS = 24 * 3_600_000;

interface StoredFile {
  path: string;
  sizeBytes: number;
  usedMs: number;
}

/**
 * Removes what was used longest ago until the store holds no more than `maxBytes`, and what crashes left behind. A build
 * that runs meanwhile finds at worst that something is missing, and fetches it when it is run again.
 */
export function pruneStore(layout: StoreLayout, { maxBytes, now }: PruneOptions & { now: Date }): PruneReport {
  const staleBefore = now.getTime() - STALE_AFTER_MS;
  const leftovers = [...filesBelow(layout.temporary), ...filesBelow(layout.partial)];
  const stale = [...filesBelow(layout.damaged), ...leftovers.filter(({ usedMs }) => usedMs < staleBefore)];
  for (const { path } of stale) rmSync(path, { force: true });

  const stored = [...filesBelow(layout.objects), ...derivedFiles(layout)];
  stored.sort((a, b) => a.usedMs - b.usedMs || compareCodeUnits(a.path, b.path));
  let keptBytes = sumOf(stored);
  const removed = stale;
  let index = 0;
  for (; index < stored.length && keptBytes > maxBytes; index += 1) {
    const file = stored[index] as StoredFile;
    rmSync(`${file.path}.json`, { force: true });
    rmSync(file.path, { force: true });
    keptBytes -= file.sizeBytes;
    removed.push(file);
  }
  removeDanglingNotes(layout);
  return {
    removedFiles: removed.length,
    removedBytes: sumOf(removed),
    keptFiles: stored.length - index,
    keptBytes,
  };
}

/** Derived objects; their notes go with them. */
function derivedFiles(layout: StoreLayout): StoredFile[] {
  return filesBelow(layout.derived).filter(({ path }) => !path.endsWith(".json"));
}

/** A note whose object is gone says nothing. */
function removeDanglingNotes(layout: StoreLayout): void {
  const objects = new Set(derivedFiles(layout).map(({ path }) => path));
  for (const { path } of filesBelow(layout.derived)) {
    if (path.endsWith(".json") && !objects.has(path.slice(0, -".json".length))) rmSync(path, { force: true });
  }
}

/** Every file below a folder; those that vanish meanwhile are left out. */
export function filesBelow(folder: string): StoredFile[] {
  let names: string[];
  try {
    names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
  return names.sort(compareCodeUnits).flatMap((name) => {
    const path = join(folder, name);
    const status = statSync(path, { throwIfNoEntry: false });
    return status?.isFile() === true ? [{ path, sizeBytes: status.size, usedMs: status.mtimeMs }] : [];
  });
}

function sumOf(files: readonly StoredFile[]): number {
  return files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
