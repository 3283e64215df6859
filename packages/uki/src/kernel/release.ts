import { bytesSource, type ByteSource, FormatError } from "@cvm-build/bytes";
import { ukiError } from "../error.ts";
import { decompressKernel } from "./decompress.ts";
import { X86_BOOT_HEADER_MAGIC, X86_BOOT_HEADER_OFFSET, X86_KERNEL_VERSION_BASE, X86BootHeader } from "./format.ts";
import { readZbootPayload } from "./zboot.ts";

const VERSION_BYTES = 128;
/** What the kernel prints first; its release follows. @see Linux, init/version-timestamp.c, `linux_banner` */
const BANNER = Buffer.from("Linux version ");
const BANNER_RELEASE = /^Linux version ([0-9]\.[A-Za-z0-9._+~-]+) \(/;
/** Enough for the banner and the longest release, which `uname` bounds to 64. */
const BANNER_BYTES = BANNER.length + 80;
const SCAN_BYTES = 1 << 22;

/**
 * Reads the release (`uname -r`) of a kernel: from the boot header of an x86 kernel, from the banner in any other,
 * which is unpacked for that where it is compressed or an EFI zboot image.
 * @throws CvmError `uki-kernel` where the image states none
 * @see Linux, Documentation/arch/x86/boot.rst, "kernel_version"
 */
export function readKernelRelease(kernel: ByteSource): string {
  try {
    return readX86Release(kernel) ?? readBannerRelease(unpacked(kernel));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw ukiError("uki-kernel", `cannot read kernel release: ${error.message}`, { cause: error });
  }
}

/** Says whether a file is an x86 kernel with a boot header. */
export function isX86Kernel(kernel: ByteSource): boolean {
  return readBootHeader(kernel)?.header === X86_BOOT_HEADER_MAGIC;
}

function readBootHeader(kernel: ByteSource): X86BootHeader | undefined {
  if (kernel.sizeBytes < X86_BOOT_HEADER_OFFSET + X86BootHeader.sizeBytes) return undefined;
  return X86BootHeader.decode(kernel.read(X86_BOOT_HEADER_OFFSET, X86BootHeader.sizeBytes));
}

function readX86Release(kernel: ByteSource): string | undefined {
  const header = readBootHeader(kernel);
  if (header?.header !== X86_BOOT_HEADER_MAGIC) return undefined;
  const start = X86_KERNEL_VERSION_BASE + header.kernelVersion;
  const lengthBytes = Math.max(0, Math.min(VERSION_BYTES, kernel.sizeBytes - start));
  const text = lengthBytes === 0 ? "" : kernel.read(start, lengthBytes).toString("latin1").split("\0")[0];
  const release = /^([A-Za-z0-9._+~-]+) \(/.exec(text ?? "")?.[1];
  if (release !== undefined) return release;
  throw ukiError(
    "uki-kernel",
    `cannot read kernel release: expected "<release> (<builder>) #…" at 0x${start.toString(16)}, ` +
      `got ${JSON.stringify(text)}`,
  );
}

function unpacked(kernel: ByteSource): ByteSource {
  const zboot = readZbootPayload(kernel);
  const bytes = decompressKernel(zboot?.content ?? kernel);
  if (bytes) return bytesSource(bytes);
  if (!zboot) return kernel;
  throw ukiError(
    "uki-kernel",
    `cannot decompress kernel: expected gzip or zstd, got ${JSON.stringify(zboot.compressionType)}`,
    { hint: "state the release with a .uname section" },
  );
}

/** Looks through the whole image, a stretch at a time; stretches overlap by what a banner may need. */
function readBannerRelease(image: ByteSource): string {
  for (let offset = 0; offset < image.sizeBytes; offset += SCAN_BYTES) {
    const bytes = image.read(offset, Math.min(SCAN_BYTES + BANNER_BYTES, image.sizeBytes - offset));
    for (let at = bytes.indexOf(BANNER); at >= 0; at = bytes.indexOf(BANNER, at + 1)) {
      const release = BANNER_RELEASE.exec(bytes.toString("latin1", at, at + BANNER_BYTES))?.[1];
      if (release !== undefined) return release;
    }
  }
  throw ukiError(
    "uki-kernel",
    `cannot read kernel release: expected "HdrS" at 0x202 of an x86 kernel, or "Linux version <release> (", got neither`,
    { hint: "use the distribution's vmlinuz, or state the release with a .uname section" },
  );
}
