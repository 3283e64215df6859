import { cpuModelSignature } from "./cpu-models.ts";
import { missing } from "./launch-error.ts";
import { type VcpuStart, type VmmKind, vmmRules } from "./vmm.ts";
import type { Vmsa } from "./vmsa.ts";

/** What the vCPUs of a guest start with. */
export interface VcpuOptions {
  /** Who starts the guest; QEMU on Linux 6.10 or later unless given. */
  vmm?: VmmKind;
  /** Of QEMU's `-cpu`, or by its signature: measured by QEMU alone. */
  cpuModel?: string;
  /** EAX of CPUID leaf 1 in the guest; instead of a model. */
  cpuSignature?: number;
  /** SEV_FEATURES: 1, SNP alone, unless given; 0 of SEV-ES, but 0x20 on Linux 6.6 and 6.7. */
  guestFeatures?: bigint | number;
  /** Registers that start otherwise than is known of the VMM. */
  registers?: Partial<Vmsa>;
}

/** More than any VMM has. */
const MAX_VCPUS = 1 << 14;

/**
 * What is known of a vCPU from its options.
 * @throws CvmError `sev-launch` where the VMM measures the CPU's signature and there is none
 */
export function vcpuStart(options: VcpuOptions, sevFeatures: bigint): VcpuStart {
  const { vmm = "qemu", cpuModel, cpuSignature } = options;
  const signature = cpuSignature ?? (cpuModel === undefined ? undefined : cpuModelSignature(cpuModel));
  if (signature === undefined && vmmRules(vmm).rdx === "signature") {
    throw missing("a CPU model, which QEMU has measured");
  }
  return { vmm, signature: signature ?? 0, sevFeatures };
}

/** What distinguishes a save area from others. */
export function describeVmsa(vmsa: Vmsa, vmm: VmmKind): string {
  const start = vmsa.cs.base + vmsa.rip;
  return `save area that ${vmm} makes: starts at 0x${start.toString(16)}, RDX 0x${vmsa.rdx.toString(16)}, SEV_FEATURES 0x${vmsa.sevFeatures.toString(16)}`;
}

/** Refuses a count of vCPUs that no guest has. */
export function checkCount(count: number): void {
  if (Number.isInteger(count) && count >= 1 && count <= MAX_VCPUS) return;
  throw missing(`1 to ${MAX_VCPUS} vCPUs`, `${count}`);
}
