import { PAGE_BYTES } from "../firmware/sev-metadata.ts";
import {
  addRegion,
  EMPTY_LAUNCH_DIGEST,
  type Launch,
  type LaunchRegion,
  type PageType,
  regionsEvent,
} from "../sev/launch-pages.ts";
import { checkCount } from "../sev/vcpus.ts";
import { Vmsa } from "../sev/vmsa.ts";
import { type DirectiveHeader, PAGE_DATA_FLAGS } from "./format.ts";
import { batchedByQemu } from "./qemu-batches.ts";
import { type GuestStep, guestSteps } from "./guest-steps.ts";
import { igvmError } from "./igvm-error.ts";
import type { IgvmFile } from "./reader.ts";

/**
 * Who starts a guest from an IGVM file: QEMU from 10.1 on with KVM as it is in Linux, which measures a save area for each
 * vCPU; QEMU with the KVM of COCONUT-SVSM, which measures the first's alone; OpenVMM and Hyper-V; Google's vanadium, which
 * adds pages without data as zero pages.
 */
export type IgvmLoader = "qemu" | "coconut-qemu" | "openvmm" | "vanadium";

/** A launch from an IGVM file. */
export interface IgvmLaunch extends Launch {
  /** The launch digest that the file's ID block demands, lower-case hex: the guest does not start with another. */
  idBlockLaunchDigest?: string;
}

/** Where KVM has the hardware measure save areas. */
const KVM_VMSA_GPA = 0xffff_ffff_f000n;
/** What KVM sets in the registers of every guest. */
const EFER_SVME = 0x1000n;
const CR4_MCE = 0x40n;
const RFLAGS_FIXED = 2n;
/** Protected and real mode; with others it is not known what KVM makes of CR0. @see igvmmeasure, `--check-kvm` */
const KVM_CR0 = [0x31n, 0x30n];

/** Registers of a save area that QEMU hands to KVM. @see QEMU `target/i386/sev.c`, `check_vmsa_supported` */
const KVM_REGISTERS: ReadonlySet<string> = new Set<keyof Vmsa>([
  ...(["es", "cs", "ss", "ds", "fs", "gs", "gdtr", "ldtr", "idtr", "tr"] as const),
  ...(["efer", "cr0", "cr3", "cr4", "xcr0", "dr6", "dr7", "rip", "rflags", "gPat"] as const),
  ...(["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8to15"] as const),
  ...(["x87Fcw", "mxcsr", "sevFeatures"] as const),
]);

/**
 * The launch digest of an SEV-SNP guest that is started from an IGVM file.
 * @param options.vcpus counted by QEMU alone, which needs a save area for each in the file
 * @throws CvmError `igvm-launch` where the file is not for SEV-SNP, or the loader does not start it
 * @see QEMU `backends/igvm.c`; github.com/microsoft/igvm, `igvm/src/measurement/snp.rs`
 */
export function predictIgvmLaunch(igvm: IgvmFile, options: { loader: IgvmLoader; vcpus?: number }): IgvmLaunch {
  const { loader, vcpus = 1 } = options;
  checkCount(vcpus);
  const steps = guestSteps(igvm, "SEV_SNP");
  const isQemu = loader === "qemu" || loader === "coconut-qemu";
  const regions = isQemu
    ? [
        ...batchedByQemu(steps).flatMap((step) => pageRegion(step, "NORMAL")),
        ...kvmContexts(steps, loader === "qemu" ? vcpus : 1),
      ]
    : steps
        .filter(({ isShared }) => !isShared)
        .flatMap((step) => pageRegion(step, loader === "vanadium" ? "ZERO" : "NORMAL"));
  let current = EMPTY_LAUNCH_DIGEST;
  for (const region of regions) current = addRegion(current, region);
  const demanded = idBlockOf(steps);
  return {
    launchDigest: current.toString("hex"),
    events: runsOf(regions).map(regionsEvent),
    ...(demanded && { idBlockLaunchDigest: demanded }),
  };
}

function idBlockOf(steps: readonly GuestStep[]): string | undefined {
  const blocks = steps.flatMap(({ directive }) =>
    directive.name === "SNP_ID_BLOCK" ? [directive.fields.launchDigest.toString("hex")] : [],
  );
  return blocks[0];
}

/** What a step adds to the guest: nothing, or the pages of one region. */
function pageRegion({ directive, gpa, sizeBytes, isUnmeasured, index }: GuestStep, empty: PageType): LaunchRegion[] {
  const region = { gpa, sizeBytes, source: { constant: `IGVM directive ${index}` } };
  switch (directive.name) {
    case "PARAMETER_INSERT": {
      const name = `parameters ${directive.fields.parameterAreaIndex}`;
      return sizeBytes === 0 ? [] : [{ ...region, type: "UNMEASURED", name }];
    }
    case "VP_CONTEXT":
      return [{ ...region, type: "VMSA", data: contextOf(directive), name: `VP context ${directive.fields.vpIndex}` }];
    case "PAGE_DATA":
      return [{ ...region, ...pageOf(directive, { isUnmeasured, empty }), name: "page data" }];
    default:
      return [];
  }
}

function pageOf(
  { fields, data }: DirectiveHeader & { name: "PAGE_DATA" },
  { isUnmeasured, empty }: { isUnmeasured: boolean; empty: PageType },
): Pick<LaunchRegion, "type" | "data"> {
  if (fields.dataType === 1) return { type: "SECRETS" };
  if (fields.dataType !== 0) return { type: "CPUID" };
  if (isUnmeasured) return { type: "UNMEASURED" };
  if (!data) return { type: empty };
  if (fields.flags & PAGE_DATA_FLAGS.is2MbPage) {
    throw igvmError("large pages without data, since loaders differ in how much of it they read", "one with data");
  }
  return { type: "NORMAL", data };
}

/** The save areas that KVM makes of the file's, in the order of vCPUs. */
function kvmContexts(steps: readonly GuestStep[], vcpus: number): LaunchRegion[] {
  const contexts = new Map<number, GuestStep>();
  for (const step of steps) if (step.directive.name === "VP_CONTEXT") contexts.set(step.directive.fields.vpIndex, step);
  return Array.from({ length: vcpus }, (_, index) => {
    const step = contexts.get(index);
    if (step?.directive.name !== "VP_CONTEXT") {
      throw igvmError(`a context for vCPU ${index}`, `contexts for ${contexts.size} of ${vcpus}`);
    }
    if (step.gpa !== KVM_VMSA_GPA) {
      throw igvmError(`a context at 0x${KVM_VMSA_GPA.toString(16)}, as KVM has it`, `0x${step.gpa.toString(16)}`);
    }
    return {
      type: "VMSA",
      gpa: KVM_VMSA_GPA,
      sizeBytes: PAGE_BYTES,
      data: kvmContext(contextOf(step.directive)),
      name: `vCPU ${index}`,
      source: { constant: `IGVM directive ${step.index}` },
    };
  });
}

function kvmContext(page: Buffer): Buffer {
  const vmsa = Vmsa.decode(page);
  const zero = Vmsa.decode(Buffer.alloc(Vmsa.sizeBytes));
  for (const field of Object.keys(zero) as (keyof Vmsa)[]) {
    if (KVM_REGISTERS.has(field) || isSame(vmsa[field], zero[field])) continue;
    throw refusedByQemu(`a context without ${field}`, "one that sets it");
  }
  if ((vmsa.sevFeatures & 1n) === 0n) throw refusedByQemu("a context with SNP in SEV_FEATURES", "one without");
  if (!KVM_CR0.includes(vmsa.cr0)) throw refusedByQemu("CR0 of 0x30 or 0x31", `0x${vmsa.cr0.toString(16)}`);
  return Vmsa.encode({
    ...vmsa,
    efer: vmsa.efer | EFER_SVME,
    cr4: vmsa.cr4 | CR4_MCE,
    rflags: vmsa.rflags | RFLAGS_FIXED,
  });
}

function isSame(value: Vmsa[keyof Vmsa], zero: Vmsa[keyof Vmsa]): boolean {
  return value instanceof Buffer && zero instanceof Buffer ? value.equals(zero) : value === zero;
}

function refusedByQemu(expected: string, got: string) {
  return igvmError(expected, got, "QEMU and KVM start or measure such a context otherwise than the file says");
}

function contextOf({ data }: DirectiveHeader): Buffer {
  if (data?.length === PAGE_BYTES) return data;
  throw igvmError("a context of one page", `${data?.length ?? 0} bytes`);
}

/** Regions of one kind that lie one after the other, together: what a person wants to see. */
function runsOf(regions: readonly LaunchRegion[]): LaunchRegion[][] {
  const runs: LaunchRegion[][] = [];
  for (const region of regions) {
    const last = runs.at(-1)?.at(-1);
    const continues =
      last?.type === region.type &&
      last.name === region.name &&
      (last.data === undefined) === (region.data === undefined) &&
      last.gpa + BigInt(last.sizeBytes) === region.gpa;
    if (continues) runs.at(-1)!.push(region);
    else runs.push([region]);
  }
  return runs;
}
