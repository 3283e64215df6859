import { CvmError } from "@cvm-build/bytes";

/** The error where something is not there without which nothing can be started or predicted. */
export function missing(expected: string, got = "none"): CvmError {
  return new CvmError("sev-launch", `cannot predict a launch digest: expected ${expected}, got ${got}`);
}
