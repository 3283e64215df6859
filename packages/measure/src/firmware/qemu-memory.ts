/** A machine that QEMU emulates, as far as firmware's first measurements depend on it. */
export interface FirmwareMachine {
  type: "q35" | "pc";
  memoryBytes: number;
  vcpus: number;
  /** How many vCPUs there may be after plugging some in. Default: `vcpus`. */
  maxVcpus?: number;
  /** `7.2.22`. */
  qemuVersion: string;
  /** What the guest sees of its processor. Default: `DEFAULT_CPU`. */
  cpu?: FirmwareCpu;
  /** Whether suspending to memory is offered: `disable_s3=0`, QEMU's default. */
  hasS3?: boolean;
  /** Who runs the guest's instructions. Default: not known. */
  accelerator?: "tcg" | "kvm";
}

/** A processor, as `cpuid` shows it. */
export interface FirmwareCpu {
  /** Leaf 0. */
  vendor: "AuthenticAMD" | "GenuineIntel" | (string & {});
  /** Leaf 0x80000008. */
  physicalAddressBits: number;
  /** Whether pages of 1 GiB are offered: leaf 0x80000001, EDX bit 26. */
  hasGigabytePages: boolean;
}

/** What QEMU's models `max` (under TCG) and `EPYC` to `EPYC-Turin` show unless told otherwise. */
export const DEFAULT_CPU: FirmwareCpu = {
  vendor: "AuthenticAMD",
  physicalAddressBits: 40,
  hasGigabytePages: true,
};

/** Where QEMU puts the guest's memory. */
export interface MemoryLayout {
  /** End of what is below 4 GiB. */
  lowEnd: number;
  /** End of what is above 4 GiB; 4 GiB where nothing is. */
  highEnd: number;
}

const GIB = 2 ** 30;

/**
 * Lays out memory as QEMU does. @see QEMU `hw/i386/pc_q35.c` and `hw/i386/pc_piix.c`
 * @returns undefined for sizes at which memory of AMD guests goes around a hole below 1 TiB
 */
export function layOutMemory({ type, memoryBytes }: FirmwareMachine): MemoryLayout | undefined {
  const [limit, below] = type === "q35" ? [0xb000_0000, 2 * GIB] : [0xe000_0000, 3 * GIB];
  const lowEnd = memoryBytes < limit ? memoryBytes : below;
  const highEnd = 4 * GIB + memoryBytes - lowEnd;
  return highEnd > 1012 * GIB ? undefined : { lowEnd, highEnd };
}

/**
 * The width of physical addresses that OVMF believes in, as its releases since 2022.11 do. Up to 40 bits it trusts only
 * what processors really have, since QEMU says 40 unless it is told otherwise.
 * @see EDK2 `OvmfPkg/Library/PlatformInitLib/MemDetect.c`, `PlatformAddressWidthFromCpuid`
 * @returns undefined where it guesses by the size of memory instead
 */
export function trustedAddressBits({
  vendor,
  physicalAddressBits: bits,
  hasGigabytePages,
}: FirmwareCpu): number | undefined {
  const isTrusted =
    bits >= 41 ||
    (vendor === "GenuineIntel" && (bits === 36 || bits === 39)) ||
    (vendor === "AuthenticAMD" && bits === 40);
  if (!isTrusted) return undefined;
  return Math.min(bits, hasGigabytePages ? 47 : 40);
}
