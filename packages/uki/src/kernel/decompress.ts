import { gunzipSync, zstdDecompressSync } from "node:zlib";
import type { ByteSource, CvmError } from "@cvm-build/bytes";
import { ukiError } from "../error.ts";

/** Largest kernel that is unpacked, and so held in memory; Debian's arm64 kernel has 39 MB. */
const MAX_KERNEL_BYTES = 1 << 28;

/** Compressions of kernels by their first bytes; those without a decompressor are known by name only. */
const COMPRESSIONS: readonly { name: string; magic: Buffer; decompress?: (bytes: Buffer) => Buffer }[] = [
  {
    name: "gzip",
    magic: Buffer.from([0x1f, 0x8b]),
    decompress: (bytes) => gunzipSync(bytes, { maxOutputLength: MAX_KERNEL_BYTES }),
  },
  {
    name: "zstd",
    magic: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]),
    decompress: (bytes) => zstdDecompressSync(bytes, { maxOutputLength: MAX_KERNEL_BYTES }),
  },
  { name: "xz", magic: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a]) },
  { name: "lzma", magic: Buffer.from([0x5d, 0x00, 0x00]) },
  { name: "bzip2", magic: Buffer.from("BZh") },
  { name: "lz4", magic: Buffer.from([0x02, 0x21, 0x4c, 0x18]) },
  { name: "lz4", magic: Buffer.from([0x04, 0x22, 0x4d, 0x18]) },
  { name: "lzo", magic: Buffer.from([0x89, 0x4c, 0x5a, 0x4f]) },
];
const LONGEST_MAGIC_BYTES = Math.max(...COMPRESSIONS.map(({ magic }) => magic.length));

/**
 * Unpacks a kernel that is compressed as a whole.
 * @returns undefined where it is not compressed
 * @throws CvmError `uki-kernel` where the bytes are damaged, too many, or of a compression that has no decompressor here
 */
export function decompressKernel(kernel: ByteSource): Buffer | undefined {
  const head = kernel.read(0, Math.min(kernel.sizeBytes, LONGEST_MAGIC_BYTES));
  const found = COMPRESSIONS.find(({ magic }) => head.subarray(0, magic.length).equals(magic));
  if (!found) return undefined;
  if (!found.decompress) throw cannotDecompress(`expected gzip or zstd, got ${found.name}`);
  if (kernel.sizeBytes > MAX_KERNEL_BYTES) {
    throw cannotDecompress(`expected at most ${MAX_KERNEL_BYTES} bytes, got ${kernel.sizeBytes}`);
  }
  try {
    return found.decompress(kernel.read(0, kernel.sizeBytes));
  } catch (cause) {
    const { message } = cause as Error;
    throw cannotDecompress(`expected ${found.name} of at most ${MAX_KERNEL_BYTES} bytes, got: ${message}`, cause);
  }
}

function cannotDecompress(expectation: string, cause?: unknown): CvmError {
  return ukiError("uki-kernel", `cannot decompress kernel: ${expectation}`, {
    hint: "unpack the kernel before it is given",
    cause,
  });
}
