import {
  type ByteSource,
  CvmError,
  type Guid,
  guid,
  raw,
  record,
  type Sha256Hex,
  sha256Hex,
  sourceSha256,
  u16le,
} from "@cvm-build/bytes";
import { PAGE_BYTES, type SevFirmware } from "../firmware/sev-metadata.ts";

/** What QEMU is given by `-kernel`, `-initrd` and `-append` while `kernel-hashes=on`. */
export interface KernelHashInputs {
  /** The file as it is, or its digest: a kernel, or a UKI. */
  kernel: ByteSource | Sha256Hex;
  initrd?: ByteSource | Sha256Hex;
  commandLine?: string;
}

/** The digests of what QEMU is given. */
export interface KernelHashes {
  kernel: Sha256Hex;
  initrd: Sha256Hex;
  commandLine: Sha256Hex;
}

const TABLE: Guid = "9438d606-4f22-4cc9-b479-a793d411fd21";
const COMMAND_LINE: Guid = "97d02dd8-bd20-4c94-aa78-e7714d36ab2a";
const INITRD: Guid = "44baf731-3a2f-4bd7-9af1-41e29169781d";
const KERNEL: Guid = "4de79437-abd2-427f-b835-d5b172d2045b";
const ENTRY_BYTES = 50;
const TABLE_BYTES = 168;

/**
 * The table of hashes that QEMU makes, padded to 16 bytes.
 * @see QEMU `target/i386/sev.c`, `PaddedSevHashTable`
 */
const SevHashTable = record("PaddedSevHashTable", 176, {
  guid: [0x00, guid],
  sizeBytes: [0x10, u16le],
  commandLineGuid: [0x12, guid],
  commandLineSizeBytes: [0x22, u16le],
  commandLine: [0x24, raw(32)],
  initrdGuid: [0x44, guid],
  initrdSizeBytes: [0x54, u16le],
  initrd: [0x56, raw(32)],
  kernelGuid: [0x76, guid],
  kernelSizeBytes: [0x86, u16le],
  kernel: [0x88, raw(32)],
  padding: [0xa8, raw(8)],
});

/** Hashes what QEMU is given; what it is not given counts as empty, the command line with its NUL. */
export function hashKernelInputs({ kernel, initrd, commandLine }: KernelHashInputs): KernelHashes {
  const hash = (input: ByteSource | Sha256Hex) => (typeof input === "string" ? input : sourceSha256(input));
  return {
    kernel: hash(kernel),
    initrd: initrd === undefined ? sha256Hex("") : hash(initrd),
    commandLine: sha256Hex(`${commandLine ?? ""}\0`),
  };
}

/** The table as it is put into the guest. */
export function encodeHashTable(hashes: KernelHashes): Buffer {
  return SevHashTable.encode({
    guid: TABLE,
    sizeBytes: TABLE_BYTES,
    commandLineGuid: COMMAND_LINE,
    commandLineSizeBytes: ENTRY_BYTES,
    commandLine: Buffer.from(hashes.commandLine, "hex"),
    initrdGuid: INITRD,
    initrdSizeBytes: ENTRY_BYTES,
    initrd: Buffer.from(hashes.initrd, "hex"),
    kernelGuid: KERNEL,
    kernelSizeBytes: ENTRY_BYTES,
    kernel: Buffer.from(hashes.kernel, "hex"),
    padding: Buffer.alloc(8),
  });
}

/** What a person is told of the table. */
export function describeHashes({ kernel, initrd, commandLine }: KernelHashes): string {
  return `sha256 of the kernel ${kernel}, of the initrd ${initrd}, of the command line ${commandLine}`;
}

/**
 * The table at its place in zeroed pages.
 * @param sizeBytes of the pages
 * @throws CvmError `sev-launch` where the firmware has no room for it
 */
export function hashTablePages(hashes: KernelHashes, place: { firmware: SevFirmware; sizeBytes: number }): Buffer {
  const offset = hashTableArea(place.firmware).gpa % PAGE_BYTES;
  const pages = Buffer.alloc(place.sizeBytes);
  if (offset + SevHashTable.sizeBytes > pages.length) throw noRoomForHashes("one that ends after its page");
  encodeHashTable(hashes).copy(pages, offset);
  return pages;
}

/**
 * Where the firmware looks for the table.
 * @throws CvmError `sev-launch` where it does not, as QEMU does
 */
export function hashTableArea({ hashTable }: SevFirmware): { gpa: number; sizeBytes: number } {
  if (!hashTable) throw noRoomForHashes("none");
  if (hashTable.sizeBytes < SevHashTable.sizeBytes) throw noRoomForHashes(`${hashTable.sizeBytes} bytes`);
  return hashTable;
}

/** The error where firmware does not look at hashes, or does not have them measured. */
export function noRoomForHashes(got: string): CvmError {
  return new CvmError(
    "sev-launch",
    `cannot predict a launch with kernel hashes: expected firmware with an area for them, got ${got}`,
    { hint: "use OVMF that was built from OvmfPkg/AmdSev, or Debian's of 2026: others leave the kernel unmeasured" },
  );
}
