import { bytesSource, type ByteSource, FormatError } from "@cvm-build/bytes";
import { ukiError } from "../error.ts";
import { IMAGE_SUBSYSTEM_EFI_APPLICATION } from "../pe/format.ts";
import { type PeImage, readPe } from "../pe/reader.ts";
import { decompressKernel } from "./decompress.ts";

/**
 * Reads a kernel as firmware starts it: an EFI application as it is, an EFI zboot image too; what is compressed as a
 * whole is unpacked, since firmware would not do it.
 * @throws CvmError `uki-kernel` where it is none
 */
export function openKernel(kernel: ByteSource): PeImage {
  try {
    const unpacked = decompressKernel(kernel);
    const image = readPe(unpacked ? bytesSource(unpacked) : kernel);
    if (image.optional.subsystem === IMAGE_SUBSYSTEM_EFI_APPLICATION) return image;
    throw new FormatError(
      { record: "OptionalHeader", field: "subsystem", offsetBytes: image.optionalOffset },
      `expected ${IMAGE_SUBSYSTEM_EFI_APPLICATION}, an EFI application, got ${image.optional.subsystem}`,
    );
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw ukiError("uki-kernel", `cannot add section ".linux": expected a kernel that is an EFI application`, {
      hint: "build the kernel with CONFIG_EFI_STUB=y and give its bzImage (arm64: Image or vmlinuz.efi)",
      cause: error,
    });
  }
}
