import { type ByteSource, FormatError, sliceSource } from "@cvm-build/bytes";
import { ZBOOT_IMAGE_TYPE, ZbootHeader } from "./format.ts";

/** What an EFI zboot kernel unpacks. */
export interface ZbootPayload {
  /** As the kernel's build calls it: `gzip`, `zstd22`, `xzkern`, `lzma`, `lz4`, `lzo`. */
  compressionType: string;
  /** Compressed. */
  content: ByteSource;
}

/**
 * Finds the compressed kernel in an EFI zboot image.
 * @returns undefined where the image is none
 * @throws FormatError where the payload leaves the file
 * @see Linux, drivers/firmware/efi/libstub/zboot-header.S
 */
export function readZbootPayload(image: ByteSource): ZbootPayload | undefined {
  if (image.sizeBytes < ZbootHeader.sizeBytes) return undefined;
  const header = ZbootHeader.decode(image.read(0, ZbootHeader.sizeBytes));
  const isZboot =
    header.dosMagic.toString("latin1", 0, 2) === "MZ" && header.imageType.toString("latin1") === ZBOOT_IMAGE_TYPE;
  if (!isZboot) return undefined;
  const { payloadOffset, payloadBytes, compressionType } = header;
  if (payloadOffset + payloadBytes > image.sizeBytes) {
    throw new FormatError(
      { record: "ZbootHeader", field: "payloadBytes", offsetBytes: ZbootHeader.offsetOf("payloadBytes") },
      `expected the payload to end within the file's ${image.sizeBytes} bytes, got ${payloadOffset + payloadBytes}`,
    );
  }
  return {
    compressionType: compressionType.toString("latin1").split("\0")[0] ?? "",
    content: sliceSource(image, payloadOffset, payloadBytes),
  };
}
