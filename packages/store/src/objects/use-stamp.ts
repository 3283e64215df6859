import { type Stats, utimesSync } from "node:fs";
import { systemCodeOf } from "../errors.ts";

/** A file used again within this time is not stamped again: pruning needs days, and a warm build shall not write. */
const STAMP_EVERY_SEC = 3600;

/**
 * Remembers, as the file's modification time, that it is in use; `prune` removes what was used longest ago. (Access
 * times will not do: most file systems are mounted without them.)
 */
export function stampUse(path: string, { status, now }: { status: Stats; now: Date }): void {
  if (Math.abs(now.getTime() - status.mtimeMs) < STAMP_EVERY_SEC * 1000) return;
  try {
    utimesSync(path, now, now);
  } catch (error) {
    // A store that one may only read, or a file that a prune has just removed: there is nothing to remember.
    const code = systemCodeOf(error);
    if (code !== "EROFS" && code !== "EACCES" && code !== "EPERM" && code !== "ENOENT") throw error;
  }
}
