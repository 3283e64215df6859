import { ascii, raw, record, u16le, u32le, u8, type ValueOf } from "@cvm-build/bytes";

/** Where the setup header stands in a bzImage. */
export const SETUP_HEADER_OFFSET = 0x1f1;

/**
 * The part of an x86 kernel's setup header that boot loaders read and write. It stands at `SETUP_HEADER_OFFSET`.
 * @see Linux, Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header"
 */
export const SetupHeader = record("SetupHeader", 71, {
  setupSectors: [0x00, u8],
  rootFlags: [0x01, u16le],
  systemSize: [0x03, u32le],
  ramSize: [0x07, u16le],
  videoMode: [0x09, u16le],
  rootDevice: [0x0b, u16le],
  bootFlag: [0x0d, u16le],
  jump: [0x0f, raw(2)],
  header: [0x11, ascii(4)],
  version: [0x15, u16le],
  realmodeSwitch: [0x17, raw(4)],
  startSysSeg: [0x1b, u16le],
  kernelVersion: [0x1d, u16le],
  typeOfLoader: [0x1f, u8],
  loadFlags: [0x20, u8],
  setupMoveSize: [0x21, u16le],
  code32Start: [0x23, u32le],
  ramdiskImage: [0x27, u32le],
  ramdiskSize: [0x2b, u32le],
  bootSectorKludge: [0x2f, u32le],
  heapEndPointer: [0x33, u16le],
  extendedLoader: [0x35, raw(2)],
  commandLinePointer: [0x37, u32le],
  initrdAddressMax: [0x3b, u32le],
  kernelAlignment: [0x3f, u32le],
  relocatableKernel: [0x43, u8],
  minimumAlignment: [0x44, u8],
  xLoadFlags: [0x45, u16le],
});
export type SetupHeader = ValueOf<typeof SetupHeader>;

/** `header` of a kernel that has one. */
export const SETUP_HEADER_MAGIC = "HdrS";
/** Bit of `loadFlags`: the loader has set `heapEndPointer`. */
export const CAN_USE_HEAP = 0x80;
/** Bit of `loadFlags`: the kernel is loaded at 1 MiB. */
export const LOADED_HIGH = 0x01;
/** Bit of `xLoadFlags`: the initrd may be anywhere below 4 GiB, and above. */
export const XLF_CAN_BE_LOADED_ABOVE_4G = 0x02;
