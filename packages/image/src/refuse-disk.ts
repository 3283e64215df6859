import { basename } from "node:path";
import { type ByteSource, CvmError } from "@cvm-build/bytes";
import { isGpt, openDisk } from "@cvm-build/fs-writer";

/**
 * Refuses a disk where a UKI or a kernel is expected.
 * @throws CvmError `no-image`
 */
export function refuseDisk(path: string, image: ByteSource): void {
  if (!isGpt(openDisk(image))) return;
  throw new CvmError("no-image", `cannot take "${path}" for an image: expected a UKI or a kernel, got a disk`, {
    hint: `name its UKI, which stands beside a disk of cvm-build's; else inspect ${basename(path)} says where it is, and extract takes it out`,
  });
}
