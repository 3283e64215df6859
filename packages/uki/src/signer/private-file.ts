import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { resolve } from "node:path";
import { ukiError, type UkiErrorCode } from "../error.ts";

/** More than any key with its certificates has. */
const LIMIT_BYTES = 1 << 20;
/** Permission bits of group and others. */
const NOT_THE_OWNERS = 0o077;

/** A small file that was read whole. */
export interface SmallFile {
  path: string;
  bytes: Buffer;
  /** Permission bits of the file itself, whatever links lead to it. */
  mode: number;
}

/**
 * Reads a small file whole; a pipe too.
 * @param what `key`, `passphrase file`, as errors name it
 * @throws CvmError with `code` where it cannot be read or is too large
 */
export function readSmallFile(
  path: string,
  { directory, what, code }: { directory: string; what: string; code: UkiErrorCode },
): SmallFile {
  const absolute = resolve(directory, path);
  let descriptor: number | undefined;
  try {
    descriptor = openSync(absolute, "r");
    const bytes = Buffer.alloc(LIMIT_BYTES + 1);
    let length = 0;
    for (let got = -1; got !== 0 && length < bytes.length; length += got) {
      got = readSync(descriptor, bytes, length, bytes.length - length, null);
    }
    if (length > LIMIT_BYTES) {
      throw ukiError(code, `cannot read ${what} "${path}": expected at most ${LIMIT_BYTES} bytes, got more`);
    }
    return { path, bytes: bytes.subarray(0, length), mode: fstatSync(descriptor).mode & 0o777 };
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code;
    if (reason === undefined || !("syscall" in (cause as object))) throw cause;
    const got = reason === "ENOENT" ? `no such file ${absolute}` : reason;
    throw ukiError(code, `cannot read ${what} "${path}": expected a file, got ${got}`, { cause });
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/**
 * Refuses a file with a secret that others than its owner may use.
 * @throws CvmError `signer`
 */
export function requirePrivate({ path, mode }: SmallFile, what: string): void {
  if ((mode & NOT_THE_OWNERS) === 0) return;
  const octal = mode.toString(8).padStart(4, "0");
  throw ukiError("signer", `cannot use ${what} "${path}": expected permissions for its owner alone, got ${octal}`, {
    hint: `chmod 600 ${path}`,
  });
}
