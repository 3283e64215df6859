import { ascii, raw, record, u16le, u32le, type ValueOf } from "@cvm-build/bytes";

/**
 * The part of an x86 kernel's boot header that says which kernel it is. It stands at `X86_BOOT_HEADER_OFFSET`.
 * @see Linux, Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header"
 */
export const X86BootHeader = record("X86BootHeader", 14, {
  header: [0x00, ascii(4)],
  version: [0x04, u16le],
  realmodeSwitch: [0x06, raw(4)],
  startSysSeg: [0x0a, u16le],
  kernelVersion: [0x0c, u16le],
});
export type X86BootHeader = ValueOf<typeof X86BootHeader>;

/** Where the boot header's magic stands in a bzImage. */
export const X86_BOOT_HEADER_OFFSET = 0x202;
/** `header` of the boot header. */
export const X86_BOOT_HEADER_MAGIC = "HdrS";
/** `kernelVersion` counts from here. */
export const X86_KERNEL_VERSION_BASE = 0x200;

/**
 * How a kernel begins that is an EFI application which unpacks itself.
 * @see Linux, drivers/firmware/efi/libstub/zboot-header.S
 */
export const ZbootHeader = record("ZbootHeader", 64, {
  dosMagic: [0x00, raw(4)],
  imageType: [0x04, raw(4)],
  payloadOffset: [0x08, u32le],
  payloadBytes: [0x0c, u32le],
  reserved: [0x10, raw(8)],
  compressionType: [0x18, raw(32)],
  linuxPeMagic: [0x38, raw(4)],
  peOffset: [0x3c, u32le],
});
export type ZbootHeader = ValueOf<typeof ZbootHeader>;

/** `imageType` of a zboot header. */
export const ZBOOT_IMAGE_TYPE = "zimg";

/**
 * How an uncompressed arm64 kernel begins; its own magic follows.
 * @see Linux, Documentation/arch/arm64/booting.rst, "Call the kernel image"
 */
export const ARM64_IMAGE_MAGIC = { offset: 0x38, text: "ARMd" } as const;
