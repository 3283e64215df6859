/** A machine that QEMU emulates, as far as firmware's first measurements depend on it. */
export interface FirmwareMachine {
  type: "q35" | "pc";
  memoryBytes: number;
  vcpus: number;
  /** How many vCPUs there may be after plugging some in. Default: `vcpus`. */
  maxVcpus?: number;
  /** `7.2.22`. */
  qemuVersion: string;
  /** What the guest sees of its processor, where it is known. Under KVM the vendor is the host's, whatever the model. */
  cpu?: FirmwareCpu;
  /** Whether suspending to memory is offered: `disable_s3=0`, QEMU's default. */
  hasS3?: boolean;
  /** What it starts: QEMU offers firmware more files for a disk to boot from, and for a kernel. Default: not known. */
  bootsFrom?: "nothing" | "disk" | "kernel";
  /** What protects the guest from its host. Default: `plain`, nothing. */
  guest?: "plain" | "tdx" | "sev";
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

/** What most of QEMU's models show under TCG, and under KVM on AMD's processors. */
export const USUAL_CPU: FirmwareCpu = {
  vendor: "AuthenticAMD",
  physicalAddressBits: 40,
  hasGigabytePages: true,
};

/** Models of QEMU, as TCG shows them. @see QEMU `target/i386/cpu.c` */
const TCG_MODELS: readonly [RegExp, FirmwareCpu][] = [
  [/^(max|EPYC(-.*)?)$/, USUAL_CPU],
  [/^qemu64$/, { ...USUAL_CPU, hasGigabytePages: false }],
  [/^Skylake-Server(-.*)?$/, { ...USUAL_CPU, vendor: "GenuineIntel" }],
];

/**
 * What a guest of QEMU sees of its processor under TCG.
 * @param option of `-cpu`: a model, with `phys-bits=` or features that change nothing here
 * @returns undefined for models and options that are not known here
 */
export function tcgCpu(option: string): FirmwareCpu | undefined {
  const [model = "", ...changes] = option.split(",");
  const shown = TCG_MODELS.find(([name]) => name.test(model))?.[1];
  if (!shown || changes.some((change) => /^[+-]?(vendor|pdpe1gb|host-phys-bits|level|xlevel)\b/.test(change)))
    return undefined;
  const width = changes.map((change) => /^phys-bits=(\d{2})$/.exec(change)?.[1]).findLast((bits) => bits !== undefined);
  return width === undefined ? shown : { ...shown, physicalAddressBits: Number(width) };
}

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
