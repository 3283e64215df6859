import { type ByteSource, FormatError } from "@cvm-build/bytes";
import {
  CAN_USE_HEAP,
  LOADED_HIGH,
  SETUP_HEADER_MAGIC,
  SETUP_HEADER_OFFSET,
  SetupHeader,
  XLF_CAN_BE_LOADED_ABOVE_4G,
} from "./setup-header.ts";
import { readWhole } from "../read-whole.ts";
import { isAtLeast } from "./version.ts";

/** What QEMU writes into a kernel's setup header depends on this. */
export interface KernelPlacement {
  memoryBytes: number;
  /** What follows `-append`; empty where it is not given. */
  commandLine: string;
  /** Size of the initrd; undefined where there is none. */
  initrdBytes: number | undefined;
}

/** What QEMU before this does with what it hands to firmware was not looked at. */
export const FIRST_QEMU = "7.2";
/** Why a boot by an older one has no PCR 4. */
export const OLD_QEMU = `what QEMU before ${FIRST_QEMU} writes into the kernel's header was not verified`;

/** QEMU, as `typeOfLoader` names it. */
const QEMU_LOADER = 0xb0;
const REAL_MODE_ADDRESS = 0x10000;
const COMMAND_LINE_ADDRESS = 0x20000;
/** QEMU keeps this much below the top of low memory for ACPI tables. */
const ACPI_DATA_BYTES = 0x28000;
/** q35 splits memory of this size and more, and keeps 2 GiB of it below 4 GiB. */
const SPLIT_FROM_BYTES = 0xb000_0000;
const LOW_BYTES_OF_SPLIT = 0x8000_0000;
const PAGE_BYTES = 4096;
/** Oldest boot protocol whose header QEMU fills in the way described here. */
const FIRST_PROTOCOL = 0x203;
const INITRD_ABOVE_4G_SINCE = 0x20c;
const VIDEO_MODES: Readonly<Record<string, number>> = { normal: 0xffff, ext: 0xfffe, ask: 0xfffd };

/**
 * Whether the kernel that firmware loads has its setup header written to by QEMU.
 * @param boot.guest what the machine is: QEMU leaves kernels of confidential guests alone, of SEV always, of TDX since 10.2
 * @param boot.firmwareRelease of OVMF, such as 2025.02
 * @see QEMU, hw/i386/x86-common.c, `x86_load_linux`
 */
export function isKernelPatched(boot: {
  qemuVersion: string;
  firmwareRelease: string;
  guest: "plain" | "tdx" | "sev";
}): boolean {
  const { qemuVersion, firmwareRelease, guest } = boot;
  if (guest === "sev" || (guest === "tdx" && isAtLeast(qemuVersion, "10.2"))) return false;
  // Since then QEMU offers the file as it is too, and OVMF takes that.
  return !(isAtLeast(qemuVersion, "10.0") && isAtLeast(firmwareRelease, "2025.02"));
}

/**
 * The bytes of a kernel as QEMU hands them to firmware on a q35 machine.
 * @param kernel a bzImage; a UKI has no setup header and is left as it is
 * @returns the file's bytes in full
 * @throws FormatError where QEMU would not load it: it is too old, or its initrd or video mode does not fit
 */
export function patchKernel(kernel: ByteSource, placement: KernelPlacement): Buffer {
  const bytes = Buffer.from(readWhole(kernel));
  if (bytes.length < SETUP_HEADER_OFFSET + SetupHeader.sizeBytes) return bytes;
  const header = SetupHeader.decode(bytes, SETUP_HEADER_OFFSET);
  if (header.header !== SETUP_HEADER_MAGIC) return bytes;
  if (header.version < FIRST_PROTOCOL || (header.loadFlags & LOADED_HIGH) === 0) {
    const expected = `expected boot protocol 2.03 or later, loaded at 1 MiB, got 0x${header.version.toString(16)}`;
    throw new FormatError({ record: "SetupHeader", field: "version", offsetBytes: SETUP_HEADER_OFFSET }, expected);
  }
  const videoMode = videoModeOf(placement.commandLine);
  const patched = {
    ...header,
    typeOfLoader: QEMU_LOADER,
    loadFlags: header.loadFlags | CAN_USE_HEAP,
    heapEndPointer: COMMAND_LINE_ADDRESS - REAL_MODE_ADDRESS - 0x200,
    commandLinePointer: COMMAND_LINE_ADDRESS,
    ...(videoMode !== undefined && { videoMode }),
    ...(placement.initrdBytes !== undefined && initrdPlace(header, placement.memoryBytes, placement.initrdBytes)),
  };
  SetupHeader.encode(patched).copy(bytes, SETUP_HEADER_OFFSET);
  return bytes;
}

/** What of a q35 machine's memory lies below 4 GiB. QEMU writes the same into a kernel where that is the same. */
export function lowMemoryBytes(memoryBytes: number): number {
  return memoryBytes < SPLIT_FROM_BYTES ? memoryBytes : LOW_BYTES_OF_SPLIT;
}

function initrdPlace(
  header: SetupHeader,
  memoryBytes: number,
  initrdBytes: number,
): Pick<SetupHeader, "ramdiskImage" | "ramdiskSize"> {
  const isHigh = header.version >= INITRD_ABOVE_4G_SINCE && (header.xLoadFlags & XLF_CAN_BE_LOADED_ABOVE_4G) !== 0;
  const lowBytes = lowMemoryBytes(memoryBytes);
  const end = Math.min(isHigh ? 0xffff_ffff : header.initrdAddressMax, lowBytes - ACPI_DATA_BYTES - 1);
  if (initrdBytes >= end) {
    throw new FormatError({ record: "initrd" }, `expected fewer than ${end} bytes for this memory, got ${initrdBytes}`);
  }
  const start = end - initrdBytes;
  return { ramdiskImage: start - (start % PAGE_BYTES), ramdiskSize: initrdBytes };
}

/** What a `vga=` on the command line asks for, which QEMU tells the kernel. */
function videoModeOf(commandLine: string): number | undefined {
  const [, word] = /vga=([^ ]*)/.exec(commandLine) ?? [];
  if (word === undefined) return undefined;
  for (const [name, mode] of Object.entries(VIDEO_MODES)) if (word.startsWith(name)) return mode;
  if (!/^(0x[0-9a-f]{1,8}|[0-9]{1,10})$/i.test(word)) {
    throw new FormatError({ record: "command line", field: "vga=" }, `expected a video mode, got "${word}"`);
  }
  // As C reads numbers: what begins with 0 is octal.
  const number = /^0[0-7]+$/.test(word) ? Number.parseInt(word, 8) : Number(word);
  return number & 0xffff;
}
