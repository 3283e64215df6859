import { CvmError } from "@cvm-build/bytes";

/** The error about a part of a release that is not what it must be. */
export function mismatch(name: string, expected: string, got: string): CvmError {
  return new CvmError("release", `cannot verify "${name}": expected ${expected}, got ${got}`);
}
