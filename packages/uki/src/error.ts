import { CvmError, type CvmErrorOptions } from "@cvm-build/bytes";

/**
 * What can be wrong with the making of a UKI: the stub, a section's content, the kernel, the file to be written; with
 * whoever signs it; with a signature or the image that bears it; with a certificate; with Secure Boot keys and variables.
 */
export type UkiErrorCode =
  | "uki-stub"
  | "uki-section"
  | "uki-kernel"
  | "uki-output"
  | "signer"
  | "signature"
  | "certificate"
  | "secure-boot";

/** An error of this package that its user can mend. */
export function ukiError(code: UkiErrorCode, message: string, options: CvmErrorOptions = {}): CvmError<UkiErrorCode> {
  return new CvmError(code, message, options);
}
