import { CvmError } from "@cvm-build/bytes";

/** The error where a file's guest is not started, or what a loader makes of the file is not known. */
export function igvmError(expected: string, got: string, hint?: string): CvmError {
  return new CvmError(
    "igvm-launch",
    `cannot predict a launch from an IGVM file: expected ${expected}, got ${got}`,
    hint === undefined ? {} : { hint },
  );
}
