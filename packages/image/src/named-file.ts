import { statSync } from "node:fs";
import { CvmError, type FileSource, openFileSource } from "@cvm-build/bytes";

/** What a file that the user named is. */
export type NamedFile =
  | "image"
  | "signature"
  | "variable store"
  | "firmware"
  | "SVSM"
  | "IGVM file"
  | "event log"
  | "disk"
  | "loader"
  | "shim"
  | "variable"
  | "initrd";

/**
 * Opens a file that the user named. Folders, devices and pipes have no bytes by position and are refused.
 * @param what the file is, as errors call it
 * @throws CvmError `no-image` or `no-file` where there is none that can be read
 */
export function openNamedFile(path: string, what: NamedFile): FileSource {
  const unreadable = (cause?: unknown) => {
    const code = what === "image" ? "no-image" : "no-file";
    return new CvmError(code, `cannot read ${what} "${path}": expected a readable file`, { cause });
  };
  try {
    if (statSync(path).isFile()) return openFileSource(path);
  } catch (cause) {
    throw unreadable(cause);
  }
  throw unreadable();
}
