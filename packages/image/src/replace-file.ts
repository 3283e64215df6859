import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { explainWriteFailure } from "./output.ts";

/**
 * Writes a file beside its place and moves it there, so that what stood there stays where writing fails.
 * @throws CvmError `output`, `disk-full`
 */
export function replaceFile(path: string, content: string | Uint8Array): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    try {
      writeFileSync(temporary, content, { mode: 0o644, flush: true });
      renameSync(temporary, path);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  } catch (error) {
    throw explainWriteFailure(error);
  }
}
