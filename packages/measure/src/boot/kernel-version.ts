import { type ByteSource, CvmError } from "@cvm-build/bytes";
import { readKernelRelease } from "@cvm-build/uki";
import { SETUP_HEADER_MAGIC, SETUP_HEADER_OFFSET, SetupHeader } from "./setup-header.ts";
import { isAtLeast } from "./version.ts";

/** First Linux that was seen to measure its command line and initrd. */
export const FIRST_KERNEL = "6.1";

/**
 * The release of an x86 kernel that is older than another.
 * @returns undefined where it is not, or does not say
 */
export function kernelBefore(release: string, kernel: ByteSource | undefined): string | undefined {
  if (!kernel || kernel.sizeBytes < SETUP_HEADER_OFFSET + SetupHeader.sizeBytes) return undefined;
  const header = SetupHeader.decode(kernel.read(SETUP_HEADER_OFFSET, SetupHeader.sizeBytes));
  if (header.header !== SETUP_HEADER_MAGIC || header.kernelVersion === 0) return undefined;
  try {
    const own = readKernelRelease(kernel);
    return isAtLeast(own, release) ? undefined : own;
  } catch (error) {
    // What it states is not a release, so that nothing is known against it.
    if (error instanceof CvmError) return undefined;
    throw error;
  }
}
