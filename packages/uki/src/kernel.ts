import type { ByteSource } from "@cvm-build/bytes";
import { ukiError } from "./error.ts";

/** "HdrS" at 0x202 marks an x86 boot protocol header; the pointer to the version string stands at 0x20e. */
const BOOT_HEADER = { offset: 0x202, magic: "HdrS", versionPointer: 0x20e, versionBase: 0x200 } as const;
const VERSION_BYTES = 128;

/**
 * Reads the release (`uname -r`) that an x86 kernel image states in its boot header.
 * @throws CvmError `uki-kernel` where the image has no such header or no version
 * @see Linux, Documentation/arch/x86/boot.rst, "kernel_version"
 */
export function readKernelRelease(kernel: ByteSource): string {
  const headBytes = BOOT_HEADER.versionPointer + 2;
  const head = kernel.read(0, Math.min(kernel.sizeBytes, headBytes));
  const magic = head.toString("latin1", BOOT_HEADER.offset, BOOT_HEADER.offset + BOOT_HEADER.magic.length);
  if (magic !== BOOT_HEADER.magic || head.length < headBytes) {
    throw ukiError("uki-kernel", `cannot read kernel release: expected "HdrS" at 0x202 of an x86 kernel image`, {
      hint: "use the distribution's vmlinuz, or state the release with a .uname section",
    });
  }
  const start = BOOT_HEADER.versionBase + head.readUInt16LE(BOOT_HEADER.versionPointer);
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
