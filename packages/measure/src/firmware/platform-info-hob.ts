import { raw, record, u16le, u32le, u64le, u8 } from "@cvm-build/bytes";
import { findAll, findOnly, relativeTarget } from "./code-search.ts";
import type { PeiModule } from "./ovmf.ts";
import { USUAL_CPU, type FirmwareMachine, layOutMemory, type MemoryLayout, trustedAddressBits } from "./qemu-memory.ts";

/**
 * What PlatformPei of edk2-stable202211 finds out about the machine, in a variable of the volume itself. Its head, which
 * makes it a hand-off block, is filled in only in the copy.
 * @see EDK2 `OvmfPkg/Include/Library/PlatformInitLib.h`
 */
const PlatformInfoHob = record("EFI_HOB_PLATFORM_INFO", 138, {
  guidHeader: [0, raw(24)],
  hostBridgeDevId: [24, u16le],
  confidentialComputingGuestAttr: [26, u64le],
  sevEsIsEnabled: [34, u8],
  bootMode: [35, u32le],
  s3Supported: [39, u8],
  smmSmramRequire: [40, u8],
  q35SmramAtDefaultSmbase: [41, u8],
  q35TsegMbytes: [42, u16le],
  firstNonAddress: [44, u64le],
  physMemAddressWidth: [52, u8],
  uc32Base: [53, u32le],
  uc32Size: [57, u32le],
  pcdSetNxForStack: [61, u8],
  pcdTdxSharedBitMask: [62, u64le],
  pcdPciMmio64Base: [70, u64le],
  pcdPciMmio64Size: [78, u64le],
  pcdPciMmio32Base: [86, u32le],
  pcdPciMmio32Size: [90, u32le],
  pcdPciIoBase: [94, u64le],
  pcdPciIoSize: [102, u64le],
  pcdEmuVariableNvStoreReserved: [110, u64le],
  pcdCpuBootLogicalProcessorNumber: [118, u32le],
  pcdCpuMaxLogicalProcessorNumber: [122, u32le],
  defaultMaxCpuNumber: [126, u32le],
  s3AcpiReservedMemoryBase: [130, u32le],
  s3AcpiReservedMemorySize: [134, u32le],
});

const IA32 = 0x14c;
/** Hands the record over with its size: `push`, or `mov r8d` and `lea rdx`. */
const COPY_IA32 = "68 8a 00 00 00 68 ?? ?? ?? ?? 68";
const COPY_X64 = "41 b8 8a 00 00 00 48 8d 15 ?? ?? ?? ?? 48 8d 0d";
/** Sets one byte, clears another. */
const SET_AND_CLEAR = "c6 05 ?? ?? ?? ?? 01 c6 05 ?? ?? ?? ?? 00";
const MIB = 2 ** 20;
const GIB = 2 ** 30;
/** `PcdPciMmio64Size`. */
const MMIO64_BYTES = BigInt(32 * GIB);
/** `PcdPciExpressBaseAddress`. */
const PCI_EXPRESS_BASE = 0xb000_0000;
/** Where devices of the chipset begin. */
const CHIPSET_BASE = 0xfc00_0000;
/** What QEMU's q35 sets aside for the management mode. */
export const TSEG_MIB = 16;
/** `PcdCpuApStackSize`. */
export const AP_STACK_BYTES = 0x8000;

/** Bytes of a volume that are no longer those of the file. */
export interface Patch {
  offset: number;
  bytes: Buffer;
}

/**
 * The variables that PlatformPei of 2022.11 has written by the time the volume is measured: the above, and whether QEMU's
 * configuration can be read, by DMA too.
 * @returns why not, where they cannot be told
 */
export function platformInfoPatches(
  platformPei: PeiModule,
  machine: FirmwareMachine,
  hasSmm: boolean,
): Patch[] | string {
  const place = findPlatformInfo(platformPei);
  if (!place) return "its PlatformPei is not that of edk2 2022.11";
  if (hasSmm && platformPei.machine !== IA32 && machine.hasS3 !== false)
    return "this build stops where it has a 64-bit PEI, the management mode and S3";
  const layout = layOutMemory(machine);
  if (!layout) return "where QEMU puts memory beyond 1 TiB depends on the processor";
  const info = PlatformInfoHob.encode(platformInfo(machine, layout, hasSmm));
  return [
    { offset: place.info, bytes: info },
    { offset: place.configuration, bytes: Buffer.of(1, 1) },
  ];
}

/**
 * Finds where the variables are by the code that copies the one, and that writes the others.
 * @see EDK2 `OvmfPkg/PlatformPei/Platform.c`, `BuildPlatformInfoHob`; `OvmfPkg/Library/QemuFwCfgLib/QemuFwCfgPei.c`
 */
function findPlatformInfo({
  code,
  machine,
  volumeAddress,
}: PeiModule): { info: number; configuration: number } | undefined {
  // The size that is copied tells the release's layout, and names of vendors that it decides by them.
  const knowsVendors = code.volume.subarray(code.start, code.end).includes("AuthenticAMD", 0, "latin1");
  const isIa32 = machine === IA32;
  const target = (at: number, more = 0) =>
    isIa32 ? code.volume.readUInt32LE(at) - (volumeAddress ?? 0) : relativeTarget(code, at, more);
  const isInside = (offset: number | undefined): offset is number =>
    offset !== undefined && offset >= code.start && offset + PlatformInfoHob.sizeBytes <= code.end;
  const copy = findOnly(code, isIa32 ? COPY_IA32 : COPY_X64);
  const info = copy === undefined ? undefined : target(copy + (isIa32 ? 6 : 9));
  const pairs = findAll(code, SET_AND_CLEAR).map((at) => [target(at + 2, 1), target(at + 9, 1)] as const);
  const neighbours = pairs.filter(([first, second]) => isInside(first) && second === first + 1);
  const configuration = neighbours.length === 1 ? neighbours[0]![0] : undefined;
  if (!knowsVendors || !isInside(info) || !isInside(configuration)) return undefined;
  return { info, configuration };
}

function platformInfo(machine: FirmwareMachine, layout: MemoryLayout, hasSmm: boolean) {
  const { type, vcpus, maxVcpus = vcpus, hasS3 = true } = machine;
  const isQ35 = type === "q35";
  const lowEnd = layout.lowEnd - (hasSmm ? TSEG_MIB * MIB : 0);
  const s3Bytes = hasS3 ? MIB / 2 + maxVcpus * AP_STACK_BYTES : 0;
  return {
    guidHeader: Buffer.alloc(24),
    hostBridgeDevId: isQ35 ? 0x29c0 : 0x1237,
    confidentialComputingGuestAttr: 0n,
    sevEsIsEnabled: 0,
    bootMode: 0,
    s3Supported: Number(hasS3),
    smmSmramRequire: Number(hasSmm),
    q35SmramAtDefaultSmbase: Number(hasSmm),
    q35TsegMbytes: hasSmm ? TSEG_MIB : 0,
    ...addresses(machine, layout),
    ...uncached(isQ35, layout),
    pcdSetNxForStack: 0,
    pcdTdxSharedBitMask: 0n,
    pcdPciIoBase: isQ35 ? 0x6000n : 0xc000n,
    pcdPciIoSize: isQ35 ? 0xa000n : 0x4000n,
    pcdEmuVariableNvStoreReserved: 0n,
    pcdCpuBootLogicalProcessorNumber: vcpus,
    pcdCpuMaxLogicalProcessorNumber: maxVcpus,
    defaultMaxCpuNumber: 64,
    s3AcpiReservedMemoryBase: hasS3 ? lowEnd - s3Bytes : 0,
    s3AcpiReservedMemorySize: s3Bytes,
  };
}

/** How far addresses go, and where devices above 4 GiB are. @see `PlatformAddressWidthInitialization` */
function addresses({ cpu = USUAL_CPU }: FirmwareMachine, { highEnd }: MemoryLayout) {
  const base = alignUp64(BigInt(highEnd), MMIO64_BYTES);
  const firstNonAddress = base + MMIO64_BYTES;
  const classic = { firstNonAddress, pcdPciMmio64Base: base, pcdPciMmio64Size: MMIO64_BYTES };
  const bits = trustedAddressBits(cpu);
  if (bits === undefined)
    return { ...classic, physMemAddressWidth: Math.max(36, (firstNonAddress - 1n).toString(2).length) };
  const end = 1n << BigInt(bits);
  const window = end >> 3n;
  const isWide = MMIO64_BYTES < window && base + window < end;
  return {
    ...classic,
    physMemAddressWidth: bits,
    ...(isWide && { pcdPciMmio64Base: end - window, pcdPciMmio64Size: window }),
  };
}

/** What is not cached, and where devices below 4 GiB are. @see `PlatformQemuUc32BaseInitialization`, `PlatformMemMapInitialization` */
function uncached(isQ35: boolean, { lowEnd }: MemoryLayout) {
  const devices = (base: number) => ({ pcdPciMmio32Base: base, pcdPciMmio32Size: CHIPSET_BASE - base });
  if (isQ35) {
    const uc32Base = lowEnd <= 2 * GIB ? 2 * GIB : PCI_EXPRESS_BASE;
    return { uc32Base, uc32Size: 0, ...devices(PCI_EXPRESS_BASE + MIB * 256) };
  }
  // One register of memory types covers it: a power of two.
  const uc32Size = 2 ** Math.floor(Math.log2(4 * GIB - lowEnd));
  const uc32Base = 4 * GIB - uc32Size;
  return { uc32Base, uc32Size, ...devices(uc32Base) };
}

function alignUp64(value: bigint, unit: bigint): bigint {
  return ((value + unit - 1n) / unit) * unit;
}
