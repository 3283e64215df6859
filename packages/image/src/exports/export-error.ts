import { CvmError } from "@cvm-build/bytes";

/** An export that would be worth nothing to whom it is for, or cannot be written as that format has it. */
export function exportError(what: string, { expected, got, hint }: { expected: string; got: string; hint: string }) {
  return new CvmError("export", `cannot export ${what}: expected ${expected}, got ${got}`, { hint });
}
