import { CvmError, FormatError } from "@cvm-build/bytes";

/** What is thrown where something in an image is damaged, with the image's path; other errors as they are. */
export function explainDamage(error: unknown, path: string): unknown {
  if (!(error instanceof FormatError)) return error;
  return new CvmError("format", `cannot read image "${path}": expected one that is whole and of a known format`, {
    cause: error,
    details: { ...error.details, path },
  });
}
