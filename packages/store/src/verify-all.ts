import { rmSync } from "node:fs";
import { basename, dirname, relative } from "node:path";
import { isSha256Hex, type Sha256Hex } from "@cvm-build/bytes";
import { mapParallel } from "./download/parallel.ts";
import type { DerivedObjects } from "./objects/derived-objects.ts";
import type { StoreLayout } from "./objects/layout.ts";
import { hashFile, type ObjectStore } from "./objects/object-store.ts";
import { filesBelow } from "./prune.ts";

/** What was found in the store. */
export interface VerifyReport {
  checkedFiles: number;
  checkedBytes: number;
  /** Files that are not what they should be, relative to the store. They were moved away or removed. */
  damaged: DamagedFile[];
}

/** A file whose bytes are others than its name or note says. */
export interface DamagedFile {
  path: string;
  expected: Sha256Hex | undefined;
  found: Sha256Hex | undefined;
}

/** Files hashed at once: the disk is the limit, not the cores. */
const PARALLEL = 4;

/** Hashes everything in the store and clears away what is damaged, so that it is fetched or computed anew. */
export async function verifyStore(
  layout: StoreLayout,
  { objects, derived }: { objects: ObjectStore; derived: DerivedObjects },
): Promise<VerifyReport> {
  const files = [
    ...filesBelow(layout.objects),
    ...filesBelow(layout.derived).filter(({ path }) => !path.endsWith(".json")),
  ];
  const checked = await mapParallel(files, {
    limit: PARALLEL,
    work: async ({ path }): Promise<DamagedFile[]> => {
      const found = await hashFile(path);
      // Pruned meanwhile.
      if (found === undefined) return [];
      const isObject = path.startsWith(layout.objects);
      const expected = isObject ? digestInName(path) : derivedDigest(path, derived);
      if (found === expected) return [];
      if (expected !== undefined && isObject) objects.quarantine(expected);
      else rmSync(path, { force: true });
      if (!isObject) rmSync(`${path}.json`, { force: true });
      // A build was killed before it could note what it had made: of no use, but no damage.
      if (!isObject && expected === undefined) return [];
      return [{ path: relative(layout.directory, path), expected, found }];
    },
  });
  return {
    checkedFiles: files.length,
    checkedBytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    damaged: checked.flat(),
  };
}

function digestInName(path: string): Sha256Hex | undefined {
  const digest = basename(dirname(path)) + basename(path);
  return isSha256Hex(digest) ? digest : undefined;
}

function derivedDigest(path: string, derived: DerivedObjects): Sha256Hex | undefined {
  const key = basename(path);
  return isSha256Hex(key) ? derived.digestOf(basename(dirname(path)), key) : undefined;
}
