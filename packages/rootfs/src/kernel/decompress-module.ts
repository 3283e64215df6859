import { bytesSource } from "@cvm-build/bytes";
import { decompressWhole } from "@cvm-build/fs-writer";

/** Debug builds of the largest module (amdgpu) reach a quarter of this. */
const MAX_MODULE_BYTES = 1 << 30;

/**
 * A module's bytes, decompressed as its file name says.
 * @throws FormatError where they are damaged, or larger than any module
 */
export function decompressModule(bytes: Buffer, format: "gzip" | "xz" | "zstd" | "none"): Promise<Buffer> {
  return decompressWhole(bytesSource(bytes), { format, maxSizeBytes: MAX_MODULE_BYTES });
}
