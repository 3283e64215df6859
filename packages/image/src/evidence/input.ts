import { closeSync, openSync, readSync } from "node:fs";
import { resolve } from "node:path";
import { CvmError } from "@cvm-build/bytes";
import type { Surroundings } from "../surroundings.ts";

/** The largest file that is read: logs, quotes and predictions have some kilobytes to some megabytes. */
const MAX_BYTES = 1 << 26;

/**
 * Reads a file of the user's, whose size need not be known before: the kernel's files have none.
 * @param what what it is, for errors
 * @throws CvmError `no-file` where it cannot be read, or is too large
 */
export function readInput(path: string, what: string, { invocationDirectory }: Surroundings): Buffer {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  const refuse = (got: string, cause?: unknown) =>
    new CvmError("no-file", `cannot read ${what} "${path}": expected a readable file, got ${got}`, { cause });
  try {
    const file = openSync(resolve(invocationDirectory, path), "r");
    try {
      for (;;) {
        const chunk = Buffer.alloc(1 << 16);
        const count = readSync(file, chunk);
        if (count === 0) return Buffer.concat(chunks);
        chunks.push(chunk.subarray(0, count));
        sizeBytes += count;
        if (sizeBytes > MAX_BYTES) break;
      }
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    throw refuse(cause instanceof Error ? cause.message : String(cause), cause);
  }
  throw refuse(`more than ${MAX_BYTES} bytes`);
}
