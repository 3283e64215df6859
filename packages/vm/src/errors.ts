import { CvmError, type CvmErrorOptions } from "@cvm-build/bytes";

/**
 * What can go wrong around a boot. `missing-tool` is the one that says that this machine cannot boot anything;
 * `image` names a file that cannot be booted at all; the others are about a boot that was tried.
 */
export type VmErrorCode = "missing-tool" | "image" | "boot-timeout" | "boot-failed" | "evidence";

/** An error of this package. */
export class VmError extends CvmError<VmErrorCode> {
  override readonly name = "VmError";

  constructor(code: VmErrorCode, message: string, options: CvmErrorOptions = {}) {
    super(code, message, options);
  }
}
