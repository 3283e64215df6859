import { type Segment, type Vmsa, vmsaWith } from "./vmsa.ts";

/** What a VMM does otherwise than others where it is measured. */
interface VmmRules {
  /** Attributes of segments in which VMMs differ. */
  attributes: { bspCs: number; apCs: number; ss: number; tr: number };
  /** RDX of a vCPU that has been reset. */
  rdx: "signature" | bigint;
  gPat: bigint;
  mxcsr: number;
  x87Fcw: number;
  /** The address under which save areas are measured. */
  vmsaGpa: bigint;
  /** What pages of SNP_SEC_MEM are added as. */
  secMem: "ZERO" | "UNMEASURED";
  /** Whether the CPUID page comes after all other pages that firmware asks for. */
  cpuidLast: boolean;
}

const PAT_RESET = 0x0007_0406_0007_0406n;
const PAT_GCE = 0x0007_0106n;
/** All ones, cut to whole pages of 48 bits, as KVM gives it, and to 52 bits. */
const VMSA_GPA = 0xffff_ffff_f000n;
const VMSA_GPA_52_BITS = 0xf_ffff_ffff_f000n;

const QEMU: VmmRules = {
  attributes: { bspCs: 0x9b, apCs: 0x9b, ss: 0x93, tr: 0x8b },
  rdx: "signature",
  gPat: PAT_RESET,
  mxcsr: 0x1f80,
  x87Fcw: 0x37f,
  vmsaGpa: VMSA_GPA,
  secMem: "ZERO",
  cpuidLast: false,
};
const EC2: VmmRules = {
  ...QEMU,
  attributes: { bspCs: 0x9a, apCs: 0x9b, ss: 0x92, tr: 0x83 },
  rdx: 0x600n,
  mxcsr: 0,
  x87Fcw: 0,
  cpuidLast: true,
};
const GCE: VmmRules = { ...QEMU, rdx: 0x600n, gPat: PAT_GCE, mxcsr: 0, x87Fcw: 0, secMem: "UNMEASURED" };

const VMM_RULES = {
  /** QEMU on Linux 6.10 or later, whose KVM_SEV_INIT2 sets up floating point. */
  qemu: QEMU,
  /** QEMU on earlier Linux, or one that calls KVM_SEV_INIT, as `legacy-vm-type=on` has it do. */
  "qemu-before-6.10-host": { ...QEMU, mxcsr: 0, x87Fcw: 0 },
  ec2: EC2,
  /** EC2 until about April 2026. */
  "ec2-before-2026-04": { ...EC2, rdx: 0n },
  /** Google Compute Engine on Milan. */
  gce: GCE,
  "gce-genoa": { ...GCE, vmsaGpa: VMSA_GPA_52_BITS },
  /** libkrun, as virtee/sev has it. */
  krun: { ...EC2, attributes: { ...EC2.attributes, apCs: 0x9a }, rdx: 0n, cpuidLast: false },
} as const satisfies Record<string, VmmRules>;

/** Who starts the guest, and when that matters, since when. */
export type VmmKind = keyof typeof VMM_RULES;
/** The kinds of VMM whose launches are predicted. */
export const VMM_KINDS = Object.keys(VMM_RULES) as readonly VmmKind[];

/** What that VMM does where it is measured. */
export function vmmRules(vmm: VmmKind): VmmRules {
  return VMM_RULES[vmm];
}

/** Where the first vCPU starts: the reset vector. */
const BSP_EIP = 0xffff_fff0;

/** What a vCPU starts with. */
export interface VcpuStart {
  vmm: VmmKind;
  /** Of the CPU model; measured by QEMU alone. */
  signature: number;
  sevFeatures: bigint;
}

/**
 * The registers with which a vCPU of a guest without SVSM starts.
 * @param resetEip where a vCPU starts that is not the first
 * @see AMD64 APM, volume 2, section 14.1.3, "Processor Initialization State", as KVM and QEMU set it
 */
export function initialVmsa(start: VcpuStart, resetEip?: number): Vmsa {
  const rules = vmmRules(start.vmm);
  const { attributes } = rules;
  const eip = resetEip ?? BSP_EIP;
  const data = segment(0x93, 0xffff);
  return vmsaWith({
    ...machineState(start),
    es: data,
    cs: {
      ...segment(eip === BSP_EIP ? attributes.bspCs : attributes.apCs, 0xffff),
      selector: 0xf000,
      base: BigInt(eip - (eip & 0xffff)),
    },
    ss: segment(attributes.ss, 0xffff),
    ds: data,
    fs: data,
    gs: data,
    tr: segment(attributes.tr, 0xffff),
    cr0: 0x10n,
    rip: BigInt(eip & 0xffff),
  });
}

/**
 * The registers with which each vCPU starts in an SVSM that QEMU has been given as a raw binary: 32-bit, flat.
 * @param eip where the SVSM starts
 */
export function svsmVmsa(start: VcpuStart, eip: number): Vmsa {
  const data = { ...segment(0xc93, 0xffff_ffff), selector: 16 };
  return vmsaWith({
    ...machineState(start),
    es: data,
    cs: { ...segment(0xc9b, 0xffff_ffff), selector: 8 },
    ss: data,
    ds: data,
    fs: data,
    gs: segment(0x93, 0xffff),
    tr: segment(0x8b, 0xffff),
    cr0: 0x11n,
    rip: BigInt(eip),
  });
}

/** What does not depend on the mode in which a vCPU starts. */
function machineState({ vmm, signature, sevFeatures }: VcpuStart): Partial<Vmsa> {
  const rules = vmmRules(vmm);
  return {
    gdtr: segment(0, 0xffff),
    ldtr: segment(0x82, 0xffff),
    idtr: segment(0, 0xffff),
    // KVM turns on EFER.SVME and CR4.MCE.
    efer: 0x1000n,
    cr4: 0x40n,
    dr6: 0xffff_0ff0n,
    dr7: 0x400n,
    rflags: 2n,
    gPat: rules.gPat,
    rdx: rules.rdx === "signature" ? BigInt(signature) : rules.rdx,
    sevFeatures,
    xcr0: 1n,
    mxcsr: rules.mxcsr,
    x87Fcw: rules.x87Fcw,
  };
}

function segment(attributes: number, limit: number): Segment {
  return { selector: 0, attributes, limit, base: 0n };
}
