import { type Code, findOnly, relativeTarget } from "./code-search.ts";
import type { PeiModule } from "./ovmf.ts";
import { AP_STACK_BYTES, type Patch, TSEG_MIB } from "./platform-info-hob.ts";
import {
  type FirmwareCpu,
  type FirmwareMachine,
  layOutMemory,
  type MemoryLayout,
  trustedAddressBits,
} from "./qemu-memory.ts";

/** How a build uses memory before it measures its volumes. Known by boots, since every module takes some. */
interface MemoryUse {
  /** From the end of what modules may use to the page that is the stack of the first SMI, with one vCPU. */
  stackBelowEnd: number;
  /** More of that for each further vCPU, beyond its share of what is kept for waking up. */
  stackPerVcpu: number;
  /** With this many vCPUs, a page more. */
  stackPageMoreFrom: number;
  /** From the start of what modules may use to the table of exceptions, less what follows. */
  tableAboveStart: number;
  /** Size of the table less 1. */
  tableLimit: number;
  /** Size of the block that describes memory above 4 GiB. */
  highMemoryBlock: number;
  /** Size of the block that keeps the hole below 1 TiB of AMD's processors. */
  amdHoleBlock: number;
  /** What is kept of each file that QEMU offers and that is not empty. */
  offeredFile: number;
}

/** By the version that a build states. Debian's, with and without strict protection of memory. */
const MEMORY_USE: Readonly<Record<string, MemoryUse>> = {
  "2025.02-8+deb13u1": {
    stackBelowEnd: 0x37000,
    stackPerVcpu: 0x8000,
    stackPageMoreFrom: 9,
    tableAboveStart: 0x236f0,
    tableLimit: 0x1ff,
    highMemoryBlock: 0x30,
    amdHoleBlock: 0x30,
    offeredFile: 0,
  },
  "2026.08+ds-2": {
    stackBelowEnd: 0x345000,
    stackPerVcpu: 0x9000,
    stackPageMoreFrom: 12,
    tableAboveStart: 0x29a60,
    tableLimit: 0xfff,
    highMemoryBlock: 0x48,
    amdHoleBlock: 0x40,
    offeredFile: 0x40,
  },
};

/** A vCPU's block in the list that is handed on. */
const VCPU_BLOCK = 0x38;
/** Blocks that are there only where waking up is offered. */
const S3_BLOCKS = 0xf0;
const PAGE = 0x1000;
const MIB = 2 ** 20;
/** `PlatformAddressWidthFromCpuid` of these releases. */
const MAX_ADDRESS_BITS = 46;
/** What is guessed up to this end of memory, devices above it included. */
const GUESSED_BITS = 36;
const GUESSED_END = 32 * 2 ** 30;
const VENDORS = ["AuthenticAMD", "GenuineIntel"];
const MIN_LOW_BYTES = 256 * MIB;
/** Beyond, more pages of unknown number are taken. */
const MAX_VCPUS = 16;
/** First page of what is set aside for the management mode is taken; handlers begin 32 KiB into their base. */
const BASE_IN_TSEG = 0x1000 - 0x8000;

const STARTUP =
  "66 b8 01 00 00 80 0f a2 66 89 d3 66 b8 00 00 00 00 0f 22 d8 2e ?? ?? 0f 01 95 ?? ?? 00 00 66 b8 00 00 00 00 80 cc 02 0f 22 e0 " +
  "66 b9 80 00 00 c0 0f 32 80 cc 01 66 f7 c3 00 00 10 00 74 03 80 cc 08 0f 30 66 b8 00 00 00 00 0f 22 c0 66 ea 00 00 00 00 38 00 " +
  "48 bc 00 00 00 00 00 00 00 00";
/** Offsets of operands in it. */
const STARTUP_AT = { cr3: 13, cr4: 32, cr0: 69, longModeTarget: 78, longMode: 84, stack: 86 } as const;
const TEMPLATE = "2e 66 8b 2e 10 80 66 81 ed 00 00 03 00 66 ff e5 00 00 00 00 00 00 00 00";
const COMPLETE =
  "50 48 8b 05 ?? ?? ?? ?? c6 00 01 58 ff 25 ?? ?? ?? ?? 50 b8 00 00 00 00 c6 00 01 58 ff 25 00 00 00 00";
/** Call of the handler between two saves of registers. */
const CALL_HANDLER = "48 83 c4 e0 e8 ?? ?? ?? ?? 48 83 c4 20";
/** Start of the handler: `lidt`. */
const LOAD_TABLE = "0f 01 1d ?? ?? ?? ??";
const LOAD_BASE = "48 8b 05 ?? ?? ?? ??";
const SET_FLAG_POINTER = "48 8d 05 ?? ?? ?? ?? 48 89 05 ?? ?? ?? ??";
/** Sends an SMI by writing to the local APIC, through a function. */
const SEND_SMI = "ba 00 42 00 00 4c 89 e1 e8 ?? ?? ?? ??";
/** The end of that function: the write, and return. */
const WRITE_AND_RETURN = "89 1e 48 83 c4 30 89 d8 5b 5e 5d c3";
/** `mMaxNumberOfCpus` and `mNumberOfCpus`, both 1 in the file. */
const COUNTS = "01 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00";
/** Bytes of the handler in which its variables are named. */
const HANDLER_BYTES = 0x60;
/** Bytes of the function that writes. */
const WRITER_BYTES = 0x58;

/** Where in the volume the relocation of the management mode has written. */
interface Places {
  startup: number;
  template: number;
  complete: number;
  /** Variables. */
  table: number;
  base: number;
  flag: number;
  flagPointer: number;
  interrupted: number;
  counts: number;
  /** What runs after the write that sends an SMI, and after the function that does it. */
  afterWrite: number;
  afterCall: number;
}

/**
 * What PlatformPei of builds with the management mode has written into its code and data by the time the volume is
 * measured: it moves each processor's base of that mode.
 * @returns why not, where it cannot be told
 * @see EDK2 `OvmfPkg/Library/SmmRelocationLib`
 */
export function smmRelocationPatches(
  platformPei: PeiModule,
  machine: FirmwareMachine,
  version: string,
): Patch[] | string {
  const { vcpus, maxVcpus = vcpus, cpu } = machine;
  const use = MEMORY_USE[version];
  const places = findPlaces(platformPei.code);
  const { volumeAddress } = platformPei;
  const layout = layOutMemory(machine);
  if (!use) return `how OVMF ${version} with the management mode uses memory early is known for ${known()} only`;
  if (!places || volumeAddress === undefined)
    return "its relocation of the management mode is not that of edk2 2025.02 to 2026.08";
  const interrupts = interruptsAt(machine);
  if (!interrupts) return "its volume holds where the first SMI interrupts, known under TCG of QEMU 7.2 and 10.0 only";
  if (vcpus > MAX_VCPUS || maxVcpus !== vcpus)
    return `more than ${MAX_VCPUS} vCPUs, or such to be plugged in, were not verified`;
  if (!layout || layout.lowEnd < MIN_LOW_BYTES) return "this size of memory was not verified";
  if (!cpu) return "depends on the guest's processor: its vendor, its width of addresses, pages of 1 GiB";
  const bits = addressBits(cpu, layout);
  if (!VENDORS.includes(cpu.vendor) || bits === undefined)
    return "its use of memory with this processor was not verified";
  const files = use.offeredFile === 0 ? 0 : offeredFiles(machine);
  if (files === undefined) return "depends on whether it boots from a disk, or what QEMU hands over";
  const values = valuesOf(use, { machine, cpu, layout, bits, files });
  return patchesOf(places, { ...values, volumeAddress, vcpus, interrupts });
}

/** The width of addresses that these releases use, four levels of tables at most; a guess by the size of memory is 36 at least. */
function addressBits(cpu: FirmwareCpu, { highEnd }: MemoryLayout): number | undefined {
  const trusted = trustedAddressBits(cpu);
  if (trusted !== undefined) return Math.min(trusted, MAX_ADDRESS_BITS);
  return highEnd <= GUESSED_END ? GUESSED_BITS : undefined;
}

type Interrupts = "afterWrite" | "afterCall";

/** Where an SMI that a processor sends itself interrupts it: older TCG takes it at the end of a block of instructions. */
function interruptsAt({ accelerator, qemuVersion }: FirmwareMachine): Interrupts | undefined {
  const [major = 0, minor = 0] = qemuVersion.split(".").map(Number);
  if (accelerator !== "tcg") return undefined;
  if (major === 7 && minor === 2) return "afterCall";
  return major === 10 && minor === 0 ? "afterWrite" : undefined;
}

/** How many more files QEMU offers than to firmware alone: the order of devices to boot from, a ROM, the kernel. */
function offeredFiles({ bootsFrom, qemuVersion }: FirmwareMachine): number | undefined {
  switch (bootsFrom) {
    case undefined:
      return undefined;
    case "nothing":
      return 0;
    case "disk":
      return 1;
    case "kernel":
      return qemuVersion.startsWith("7.") ? 2 : 3;
  }
}

function known(): string {
  return Object.keys(MEMORY_USE).join(" and ");
}

function findPlaces(code: Code): Places | undefined {
  const startup = findOnly(code, STARTUP);
  const template = findOnly(code, TEMPLATE);
  const complete = findOnly(code, COMPLETE);
  const call = findOnly(code, CALL_HANDLER);
  const sent = findOnly(code, SEND_SMI);
  const counts = findOnly(code, COUNTS);
  const handler = call === undefined ? undefined : relativeTarget(code, call + 5);
  if (startup === undefined || template === undefined || complete === undefined || counts === undefined)
    return undefined;
  const writing = sent === undefined ? undefined : relativeTarget(code, sent + 9);
  if (sent === undefined || writing === undefined || handler === undefined) return undefined;
  const written = findOnly(
    { ...code, start: writing, end: Math.min(writing + WRITER_BYTES, code.end) },
    WRITE_AND_RETURN,
  );
  if (written === undefined) return undefined;
  const body = { ...code, start: handler, end: Math.min(handler + HANDLER_BYTES, code.end) };
  const load = findOnly(body, LOAD_TABLE);
  const loadBase = findOnly(body, LOAD_BASE);
  const setPointer = findOnly(body, SET_FLAG_POINTER);
  if (load !== handler || loadBase === undefined || setPointer === undefined) return undefined;
  const table = relativeTarget(code, load + 3);
  const base = relativeTarget(code, loadBase + 3);
  const flag = relativeTarget(code, setPointer + 3);
  const flagPointer = relativeTarget(code, setPointer + 10);
  const interrupted = relativeTarget(code, complete + 14);
  if (table === undefined || base === undefined || flag === undefined || flagPointer === undefined) return undefined;
  if (interrupted === undefined || flagPointer !== relativeTarget(code, complete + 4)) return undefined;
  const after = { afterWrite: written + 2, afterCall: sent + 13 };
  return { startup, template, complete, table, base, flag, flagPointer, interrupted, counts, ...after };
}

interface Values {
  stack: bigint;
  table: bigint;
  tableLimit: number;
  base: bigint;
}

/**
 * Addresses of what is taken from memory. The modules' part is below what is set aside for the management mode and for
 * waking up; its size makes room for tables of pages and for a stack of each vCPU.
 * @see EDK2 `OvmfPkg/PlatformPei/MemDetect.c`, `PublishPeiMemory` and `GetPeiMemoryCap`
 */
function valuesOf(
  use: MemoryUse,
  {
    machine,
    cpu,
    layout,
    bits,
    files,
  }: { machine: FirmwareMachine; cpu: FirmwareCpu; layout: MemoryLayout; bits: number; files: number },
): Values {
  const { vcpus, hasS3 = true } = machine;
  const tseg = layout.lowEnd - TSEG_MIB * MIB;
  const end = tseg - (hasS3 ? MIB / 2 + vcpus * AP_STACK_BYTES : 0);
  const gigabytes = 2 ** (bits - 30);
  const directories = Math.max(1, Math.floor(gigabytes / 512));
  const roots = 1 + Math.max(1, Math.floor(directories / 512));
  const tablePages = roots + directories + (cpu.hasGigabytePages ? 0 : gigabytes);
  const start = end - 64 * MIB - tablePages * PAGE - vcpus * AP_STACK_BYTES;
  const hasHighMemory = layout.highEnd > 2 ** 32;
  const blocks =
    vcpus * VCPU_BLOCK +
    (hasHighMemory ? use.highMemoryBlock : 0) +
    (cpu.vendor === "AuthenticAMD" ? use.amdHoleBlock : 0) +
    files * use.offeredFile -
    (hasS3 ? 0 : S3_BLOCKS);
  const morePages = vcpus >= use.stackPageMoreFrom ? 1 : 0;
  const stackPage = end - use.stackBelowEnd - (vcpus - 1) * use.stackPerVcpu - morePages * PAGE;
  return {
    stack: BigInt(stackPage + PAGE - 8),
    table: BigInt(start + use.tableAboveStart + blocks),
    tableLimit: use.tableLimit,
    base: BigInt(tseg + BASE_IN_TSEG),
  };
}

function patchesOf(
  places: Places,
  values: Values & { volumeAddress: number; vcpus: number; interrupts: Interrupts },
): Patch[] {
  const { startup } = places;
  const address = (offset: number) => values.volumeAddress + offset;
  const u32 = (offset: number, value: number): Patch => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return { offset, bytes };
  };
  const u64 = (offset: number, value: bigint): Patch => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(value);
    return { offset, bytes };
  };
  const limit = Buffer.alloc(2);
  limit.writeUInt16LE(values.tableLimit);
  return [
    // What the processor has at that time: the first code's tables of pages, paging, protection, SSE.
    u32(startup + STARTUP_AT.cr3, 0x80_0000),
    u32(startup + STARTUP_AT.cr4, 0x660),
    u32(startup + STARTUP_AT.cr0, 0x8000_0033),
    u32(startup + STARTUP_AT.longModeTarget, address(startup + STARTUP_AT.longMode)),
    u64(startup + STARTUP_AT.stack, values.stack),
    u64(places.template + 16, BigInt(address(startup))),
    u32(places.complete + 20, address(places.flag)),
    u32(places.complete + 30, address(places.interrupted)),
    { offset: places.table, bytes: limit },
    u64(places.table + 2, values.table),
    u64(places.base, values.base),
    { offset: places.flag, bytes: Buffer.of(1) },
    u64(places.flagPointer, BigInt(address(places.flag))),
    u64(places.interrupted, BigInt(address(places[values.interrupts]))),
    u64(places.counts, BigInt(values.vcpus)),
    u64(places.counts + 8, BigInt(values.vcpus)),
  ];
}
