import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { ukiError } from "../error.ts";
import type { HwidFile } from "./description.ts";

/**
 * Reads the descriptions of devices in a folder and those below it: every `*.json`.
 * @throws CvmError `uki-section` where the folder cannot be read or holds none
 */
export function readHwidDirectory(path: string): HwidFile[] {
  const files = listFiles(path).filter((file) => file.endsWith(".json"));
  if (files.length === 0)
    throw ukiError("uki-section", `cannot read hardware ids "${path}": expected *.json, got none`);
  return files.map((file) => ({
    path: relative(path, file).replaceAll(sep, "/"),
    text: readFileSync(file, "utf8"),
  }));
}

function listFiles(path: string): string[] {
  try {
    return readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name));
  } catch (cause) {
    throw ukiError("uki-section", `cannot read hardware ids "${path}": ${(cause as Error).message}`, { cause });
  }
}
