import { sourceSha256 } from "@cvm-build/bytes";
import {
  type KernelHashInputs,
  type Launch,
  measureFirmware,
  predictIgvmLaunch,
  predictSevEsLaunch,
  predictSevLaunch,
  predictSnpLaunch,
  readIgvm,
  VMM_KINDS,
  type VmmKind,
} from "@cvm-build/measure";
import { type Bootable, imageSha256 } from "./bootable.ts";
import { NO_FIRMWARE, type NamedBytes, type ReadyPlatform, type TeePrediction } from "./ready-platform.ts";

const REGISTER = "launchDigest";

/**
 * Predicts the launch digest of an SEV guest.
 * @throws FormatError where the firmware's tables are malformed; CvmError `sev-launch`
 */
export function predictLaunch(platform: ReadyPlatform, bootable: Bootable): TeePrediction {
  const { declaration, firmware, igvm } = platform;
  if (igvm) return igvmLaunch(platform, igvm);
  const doubt = declaration.paravisor ? "of the cloud's paravisor, and not of the image" : missingOf(platform);
  if (doubt !== undefined || !firmware) return open(doubt ?? NO_FIRMWARE);
  const { launchDigest, events } = launchOf(platform, { bootable, firmware });
  return { events, registers: { pcr: {}, launchDigest }, unpredicted: [] };
}

/** What a launch digest depends on that the platform does not say. */
function missingOf({ declaration, firmware }: ReadyPlatform): string | undefined {
  const { tee, machine } = declaration;
  if (!firmware) return NO_FIRMWARE;
  if (vmmOf(machine.vmm) === undefined) return `what the hypervisor of ${machine.vmm} has measured is not known`;
  if (tee === "sev") return undefined;
  if (machine.cpus === undefined) return "depends on the number of CPUs";
  const isQemu = (machine.vmm ?? "qemu").startsWith("qemu");
  return isQemu && machine.cpuModel === undefined ? "depends on QEMU's CPU model" : undefined;
}

function launchOf(
  { declaration, svsm, variablesSizeBytes = 0, memo }: ReadyPlatform,
  { bootable, firmware }: { bootable: Bootable; firmware: NamedBytes },
): Launch {
  const { tee, snp, machine } = declaration;
  const hashes = snp?.kernelHashes === true && { kernelHashes: kernelHashInputs(bootable) };
  const { bytes, path } = firmware;
  const vmm = vmmOf(machine.vmm);
  const vcpu = {
    ...(vmm && { vmm }),
    vcpus: machine.cpus ?? 1,
    ...(machine.cpuModel !== undefined && { cpuModel: machine.cpuModel }),
  };
  if (tee === "sev") return predictSevLaunch({ firmware: bytes, firmwarePath: path, ...hashes });
  if (tee === "sev-es") return predictSevEsLaunch({ firmware: bytes, firmwarePath: path, ...vcpu, ...hashes });
  return predictSnpLaunch({
    firmware: memo.once(`launch of ${path}`, () => measureFirmware(bytes, path)),
    ...vcpu,
    ...hashes,
    ...(snp?.guestFeatures !== undefined && { guestFeatures: BigInt(snp.guestFeatures) }),
    ...(svsm && { svsm: { image: svsm.bytes, varsSizeBytes: variablesSizeBytes } }),
  });
}

/** What an IGVM file holds is all that is launched. */
function igvmLaunch({ declaration }: ReadyPlatform, igvm: NamedBytes): TeePrediction {
  const { snp, machine } = declaration;
  const { launchDigest, events } = predictIgvmLaunch(readIgvm(igvm.bytes), {
    loader: snp?.igvmLoader ?? "qemu",
    ...(machine.cpus !== undefined && { vcpus: machine.cpus }),
  });
  return { events, registers: { pcr: {}, launchDigest }, unpredicted: [] };
}

function kernelHashInputs(bootable: Bootable): KernelHashInputs {
  const { initrd, commandLine, memo } = bootable;
  return {
    kernel: imageSha256(bootable),
    ...(initrd && { initrd: memo.once("initrd", () => sourceSha256(initrd)) }),
    ...(commandLine !== undefined && { commandLine }),
  };
}

function vmmOf(vmm: string = "qemu"): VmmKind | undefined {
  return VMM_KINDS.find((kind) => kind === vmm);
}

function open(reason: string): TeePrediction {
  return { events: [], registers: { pcr: {} }, unpredicted: [{ register: REGISTER, reason }] };
}
