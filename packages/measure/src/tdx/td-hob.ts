import { CvmError, guid, record, u16le, u32le, u64le } from "@cvm-build/bytes";
import type { TdvfMetadata, TdvfSection } from "../firmware/tdvf-metadata.ts";
import { gceMemory, type MemoryRange, q35Memory } from "./guest-memory.ts";

/** @see UEFI Platform Initialization Specification 1.8, volume 3, "PHIT HOB" */
const HandoffInfoTable = record("EFI_HOB_HANDOFF_INFO_TABLE", 56, {
  hobType: [0x00, u16le],
  hobLengthBytes: [0x02, u16le],
  reserved: [0x04, u32le],
  version: [0x08, u32le],
  bootMode: [0x0c, u32le],
  memoryTop: [0x10, u64le],
  memoryBottom: [0x18, u64le],
  freeMemoryTop: [0x20, u64le],
  freeMemoryBottom: [0x28, u64le],
  endOfHobList: [0x30, u64le],
});

/** @see UEFI Platform Initialization Specification 1.8, volume 3, "Resource Descriptor HOB" */
const ResourceDescriptor = record("EFI_HOB_RESOURCE_DESCRIPTOR", 48, {
  hobType: [0x00, u16le],
  hobLengthBytes: [0x02, u16le],
  reserved: [0x04, u32le],
  owner: [0x08, guid],
  resourceType: [0x18, u32le],
  resourceAttribute: [0x1c, u32le],
  physicalStart: [0x20, u64le],
  resourceLengthBytes: [0x28, u64le],
});

/** @see UEFI Platform Initialization Specification 1.8, volume 3, "HOB Generic Header" */
const GenericHeader = record("EFI_HOB_GENERIC_HEADER", 8, {
  hobType: [0x00, u16le],
  hobLengthBytes: [0x02, u16le],
  reserved: [0x04, u32le],
});

const HOB_TYPES = { handoff: 1, resourceDescriptor: 3, endOfHobList: 0xffff } as const;
const HANDOFF_VERSION = 9;
const RESOURCE_TYPES = { systemMemory: 0, unaccepted: 7 } as const;
/** Present, initialized, tested. */
const MEMORY_ATTRIBUTES = 7;
const NO_OWNER = "00000000-0000-0000-0000-000000000000";

/** What firmware on GCE is to accept before the kernel starts. */
const NEEDS_EARLY_ACCEPT = 0x1000_0000;
const FOUR_GIB = 2 ** 32;

interface Resource extends MemoryRange {
  resourceType: number;
  resourceAttribute: number;
}

/**
 * The list of hand-off blocks by which QEMU tells firmware in TDX of the guest's memory, without the block that ends it:
 * what RTMR 0 is extended with first.
 * @param metadata of the firmware, whose sections are parts of that memory
 * @throws CvmError `platform` where the memory does not hold them
 * @see Intel TDX Virtual Firmware Design Guide, "TD HOB"; QEMU, hw/i386/tdvf-hob.c
 */
export function encodeTdHob(metadata: TdvfMetadata, { memoryBytes }: { memoryBytes: number }): Buffer {
  const memory = q35Memory(memoryBytes);
  const accepted = metadata.sections.filter(({ type }) => type === "TD_HOB" || type === "TempMem").map(rangeOf);
  for (const range of accepted) checkWithin(memory, range);
  const resources = [
    ...subtract(memory, accepted).map((range) => resource(range, RESOURCE_TYPES.unaccepted)),
    ...accepted.map((range) => resource(range, RESOURCE_TYPES.systemMemory)),
  ];
  resources.sort((a, b) => a.address - b.address);
  return encodeHobList(metadata, resources, { endBytes: GenericHeader.sizeBytes });
}

/**
 * Which memory GCE has firmware accept before the kernel starts: all, as was seen of a TD of Container-Optimized OS 113, or
 * what is below 4 GiB, as its verifier has it for MRTD.
 */
export type GceEarlyAccept = "all" | "low";

/**
 * As `encodeTdHob`, as GCE makes it: all sections of the firmware first, in their order, then the memory between them.
 * @see gce-tcb-verifier, ovmf/tdx_data.go
 */
export function encodeGceTdHob(
  metadata: TdvfMetadata,
  { memoryBytes, earlyAccept }: { memoryBytes: number; earlyAccept: GceEarlyAccept },
): Buffer {
  const accepted = metadata.sections.map(rangeOf);
  const unaccepted = subtract(gceMemory(memoryBytes), accepted).map((range) => {
    const isEarly = earlyAccept === "all" || range.address + range.sizeBytes <= FOUR_GIB;
    return resource(range, RESOURCE_TYPES.unaccepted, MEMORY_ATTRIBUTES | (isEarly ? NEEDS_EARLY_ACCEPT : 0));
  });
  const resources = [...accepted.map((range) => resource(range, RESOURCE_TYPES.systemMemory)), ...unaccepted];
  return encodeHobList(metadata, resources, { endBytes: 0 });
}

/** The block that ends a list of hand-off blocks. */
export function encodeEndOfHobList(): Buffer {
  const { sizeBytes } = GenericHeader;
  return GenericHeader.encode({ hobType: HOB_TYPES.endOfHobList, hobLengthBytes: sizeBytes, reserved: 0 });
}

/** @param options.endBytes how far `endOfHobList` lies behind the last descriptor: VMMs differ */
function encodeHobList(
  { sections }: TdvfMetadata,
  resources: readonly Resource[],
  { endBytes }: { endBytes: number },
): Buffer {
  const section = sections.find(({ type }) => type === "TD_HOB");
  if (!section) throw misplaced("expected a section TD_HOB, got none");
  const listBytes = HandoffInfoTable.sizeBytes + resources.length * ResourceDescriptor.sizeBytes;
  const totalBytes = listBytes + GenericHeader.sizeBytes;
  if (totalBytes > section.memoryDataSizeBytes) {
    throw misplaced(`expected a section TD_HOB of at least ${totalBytes} bytes, got ${section.memoryDataSizeBytes}`);
  }
  return Buffer.concat([
    HandoffInfoTable.encode({
      hobType: HOB_TYPES.handoff,
      hobLengthBytes: HandoffInfoTable.sizeBytes,
      reserved: 0,
      version: HANDOFF_VERSION,
      bootMode: 0,
      memoryTop: 0n,
      memoryBottom: 0n,
      freeMemoryTop: 0n,
      freeMemoryBottom: 0n,
      endOfHobList: BigInt(section.memoryAddress + listBytes + endBytes),
    }),
    ...resources.map(encodeResource),
  ]);
}

function encodeResource({ address, sizeBytes, resourceType, resourceAttribute }: Resource): Buffer {
  return ResourceDescriptor.encode({
    hobType: HOB_TYPES.resourceDescriptor,
    hobLengthBytes: ResourceDescriptor.sizeBytes,
    reserved: 0,
    owner: NO_OWNER,
    resourceType,
    resourceAttribute,
    physicalStart: BigInt(address),
    resourceLengthBytes: BigInt(sizeBytes),
  });
}

function resource(range: MemoryRange, resourceType: number, resourceAttribute: number = MEMORY_ATTRIBUTES): Resource {
  return { ...range, resourceType, resourceAttribute };
}

function rangeOf({ memoryAddress, memoryDataSizeBytes }: TdvfSection): MemoryRange {
  return { address: memoryAddress, sizeBytes: memoryDataSizeBytes };
}

/** What is left of ranges without the holes, ascending; parts of holes that are in no range do not matter. */
function subtract(ranges: readonly MemoryRange[], holes: readonly MemoryRange[]): MemoryRange[] {
  const ascending = [...holes].sort((a, b) => a.address - b.address);
  return ranges.flatMap(({ address, sizeBytes }) => {
    const end = address + sizeBytes;
    const left: MemoryRange[] = [];
    let start = address;
    for (const hole of ascending) {
      const holeEnd = hole.address + hole.sizeBytes;
      if (holeEnd <= start || hole.address >= end) continue;
      if (hole.address > start) left.push({ address: start, sizeBytes: hole.address - start });
      start = Math.max(start, holeEnd);
    }
    return start < end ? [...left, { address: start, sizeBytes: end - start }] : left;
  });
}

function checkWithin(memory: readonly MemoryRange[], { address, sizeBytes }: MemoryRange): void {
  const holds = memory.some((range) => {
    return range.address <= address && address + sizeBytes <= range.address + range.sizeBytes;
  });
  if (!holds) {
    throw misplaced(`expected memory at 0x${address.toString(16)}, of ${sizeBytes} bytes, got a machine without it`);
  }
}

function misplaced(expectation: string): CvmError {
  return new CvmError("platform", `cannot hand memory to "TDX firmware": ${expectation}`);
}
