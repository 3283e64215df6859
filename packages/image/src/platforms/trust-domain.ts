import { type ByteSource, FormatError } from "@cvm-build/bytes";
import {
  azureTdRegisters,
  environmentOfCcel,
  predictMrtd,
  type Prediction,
  predictRtmrs,
  type TdBoot,
} from "@cvm-build/measure";
import { effectiveSections, readKernelRelease, readStubVersion, readUki } from "@cvm-build/uki";
import type { Bootable } from "./bootable.ts";
import { firmwareRelease, type NamedBytes, type ReadyPlatform, type TeePrediction } from "./ready-platform.ts";

/**
 * Predicts the registers of a TD.
 * @param options.prediction what a TPM would hold of the same boot, with SHA-384 among its banks
 * @throws FormatError where the firmware is not for TDX; CvmError `platform`
 */
export function predictTrustDomain(
  platform: ReadyPlatform,
  { bootable, prediction }: { bootable: Bootable; prediction: Prediction },
): TeePrediction {
  const { declaration } = platform;
  if (declaration.paravisor) {
    const { rtmr, unpredicted } = azureTdRegisters();
    return { events: [], registers: { pcr: {}, rtmr }, unpredicted };
  }
  const { firmware } = platform;
  if (!firmware) return open(["mrtd", ...RTMRS], NO_FIRMWARE);
  const passes = declaration.tdx?.pages === "two-pass" ? "two" : "single";
  const { mrtd, events } = platform.memo.once(`MRTD ${passes}`, () => predictMrtd(firmware.bytes, { passes }));
  const doubt = missingOf(platform);
  const rtmrs =
    doubt === undefined ? predictRtmrs(prediction, tdBootOf(platform, { bootable, firmware })) : open(RTMRS, doubt);
  return {
    events: [...events, ...rtmrs.events],
    registers: { pcr: {}, mrtd, ...("rtmr" in rtmrs && { rtmr: rtmrs.rtmr }) },
    unpredicted: rtmrs.unpredicted,
    ...(rtmrs.alternatives && { alternatives: rtmrs.alternatives }),
  };
}

/** What RTMRs depend on that the platform does not say. */
function missingOf(platform: ReadyPlatform): string | undefined {
  const { machine } = platform.declaration;
  if (firmwareRelease(platform) === undefined)
    return "depends on the firmware's release: firmware: release: of the platform";
  return machine.memoryBytes === undefined ? "depends on the size of memory: --memory" : undefined;
}

function open(registers: readonly string[], reason: string): TeePrediction {
  return { events: [], registers: { pcr: {} }, unpredicted: registers.map((register) => ({ register, reason })) };
}

const RTMRS = ["rtmr0", "rtmr1", "rtmr2", "rtmr3"];

const NO_FIRMWARE = "depends on the firmware, and none was named: --firmware, or firmware: file: of the platform";

function tdBootOf(
  platform: ReadyPlatform,
  { bootable, firmware }: { bootable: Bootable; firmware: NamedBytes },
): TdBoot {
  const { declaration, ccel } = platform;
  const { memoryBytes = 0, vmm } = declaration.machine;
  const release = firmwareRelease(platform) ?? "";
  const { build = "OvmfPkgX64", measuresCc } = declaration.firmware ?? {};
  return {
    firmware: {
      file: firmware.bytes,
      release,
      build,
      ...(measuresCc !== undefined && { measuresCc }),
    },
    machine: vmm?.startsWith("gce") ? { memoryBytes, vmm: "gce", earlyAccept: "low" } : { memoryBytes },
    software: bootable.memo.once("software", () => softwareOf(bootable.image)),
    environment: ccel ? environmentOfCcel(ccel) : {},
    hasTpm: declaration.tpm ?? true,
  };
}

/** Versions of what measures, as an image has it. */
function softwareOf(image: ByteSource): TdBoot["software"] {
  try {
    const uki = readUki(image);
    const kernel = effectiveSections(uki).get(".linux")?.content;
    return { systemdStub: readStubVersion(uki.pe).text, ...(kernel && { linux: readKernelRelease(kernel) }) };
  } catch (error) {
    if (error instanceof FormatError) return { linux: readKernelRelease(image) };
    throw error;
  }
}
