import { CvmError } from "@cvm-build/bytes";

/** The error for a node that erofs cannot hold. */
export function refusal(path: string, expected: string, got: string): CvmError<"archive"> {
  const message = `cannot write ${JSON.stringify(path)} to erofs: expected ${expected}, got ${got}`;
  return new CvmError("archive", message, { details: { path } });
}
