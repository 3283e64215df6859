import { CvmError } from "@cvm-build/bytes";

/** A stretch of a guest's memory. */
export interface MemoryRange {
  address: number;
  sizeBytes: number;
}

const GIB = 2 ** 30;
const MIB = 2 ** 20;
const FOUR_GIB = 4 * GIB;
const PAGE_BYTES = 4096;

/** From this size on QEMU's q35 keeps 2 GiB below the hole for devices; smaller memory is all below it. */
const Q35_SPLIT_FROM_BYTES = 0xb000_0000;
const Q35_LOW_BYTES = 0x8000_0000;

/**
 * Where QEMU's machine q35 puts its memory.
 * @throws CvmError `platform`
 * @see QEMU, hw/i386/pc_q35.c
 */
export function q35Memory(memoryBytes: number): MemoryRange[] {
  checkSize(memoryBytes);
  if (memoryBytes < Q35_SPLIT_FROM_BYTES) return [{ address: 0, sizeBytes: memoryBytes }];
  return [
    { address: 0, sizeBytes: Q35_LOW_BYTES },
    { address: FOUR_GIB, sizeBytes: memoryBytes - Q35_LOW_BYTES },
  ];
}

const GCE_LOW_BYTES = 3 * GIB;
const GCE_TOP_BYTES = 2 * MIB;
/** Memory of one NUMA node of GCE's machines of type c3. */
const GCE_NODE_BYTES = 176 * GIB;

/**
 * Where GCE puts the memory of a machine of type c3.
 * @throws CvmError `platform`
 * @see gce-tcb-verifier, tdx/mrtd_from_ovmf.go
 */
export function gceMemory(memoryBytes: number): MemoryRange[] {
  checkSize(memoryBytes);
  if (memoryBytes < GCE_LOW_BYTES) throw sizeError(memoryBytes, "at least 3 GiB");
  const ranges: MemoryRange[] = [
    { address: 0, sizeBytes: GCE_LOW_BYTES },
    { address: FOUR_GIB - GCE_TOP_BYTES, sizeBytes: GCE_TOP_BYTES },
  ];
  let [address, left, taken] = [FOUR_GIB, memoryBytes - GCE_LOW_BYTES, GCE_LOW_BYTES];
  while (left > 0) {
    const sizeBytes = Math.min(left, GCE_NODE_BYTES - taken);
    ranges.push({ address, sizeBytes });
    address += sizeBytes;
    left -= sizeBytes;
    taken = 0;
  }
  return ranges;
}

/** More than any machine has. */
const MAX_BYTES = 2 ** 46;

function checkSize(memoryBytes: number): void {
  const isSize = Number.isSafeInteger(memoryBytes) && memoryBytes > 0 && memoryBytes % PAGE_BYTES === 0;
  if (!isSize || memoryBytes > MAX_BYTES) throw sizeError(memoryBytes, "whole pages of 4096 bytes, at most 64 TiB");
}

function sizeError(memoryBytes: number, expected: string): CvmError {
  return new CvmError("platform", `cannot lay out memory of ${memoryBytes} bytes: expected ${expected}`);
}
