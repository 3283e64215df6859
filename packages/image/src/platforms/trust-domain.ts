import { type ByteSource, FormatError } from "@cvm-build/bytes";
import {
  azureTdRegisters,
  environmentOfCcel,
  identifyTdFirmware,
  type MeasuredEvent,
  predictMrtd,
  type Prediction,
  predictRtmrs,
  predictTdShim,
  type TdBoot,
  type TdEnvironment,
} from "@cvm-build/measure";
import { effectiveSections, readKernelRelease, readStubVersion, readUki } from "@cvm-build/uki";
import type { Bootable } from "./bootable.ts";
import {
  NO_FIRMWARE,
  firmwareRelease,
  type NamedBytes,
  type ReadyPlatform,
  type TeePrediction,
} from "./ready-platform.ts";

const RTMRS = ["rtmr0", "rtmr1", "rtmr2", "rtmr3"];
const NO_RELEASE = "depends on the firmware's release: firmware: release: of the platform";

/**
 * Predicts the registers of a TD.
 * @param options.prediction what a TPM would hold of the same boot, with SHA-384 among its banks
 * @throws FormatError where the firmware is not for TDX; CvmError `platform`
 */
export async function predictTrustDomain(
  platform: ReadyPlatform,
  { bootable, prediction }: { bootable: Bootable; prediction: Prediction },
): Promise<TeePrediction> {
  const { declaration, firmware } = platform;
  if (declaration.paravisor) {
    const { rtmr, unpredicted } = azureTdRegisters();
    return { events: [], registers: { pcr: {}, rtmr }, unpredicted };
  }
  const launch = launchOf(platform);
  const isShim = declaration.firmware?.build === "td-shim";
  const rtmrs = isShim
    ? shimRtmrs(firmware, bootable)
    : await platform.memo.once(rtmrKey(platform), () => ovmfRtmrs(platform, { bootable, prediction }));
  return {
    events: [...launch.events, ...rtmrs.events],
    registers: { pcr: {}, ...launch.registers, ...rtmrs.registers },
    unpredicted: [...launch.unpredicted, ...rtmrs.unpredicted],
    ...(rtmrs.alternatives && { alternatives: rtmrs.alternatives }),
  };
}

/** What of a TD's registers one part of it decides. */
interface Part extends Omit<TeePrediction, "registers"> {
  registers: { mrtd?: string; rtmr?: Record<number, string> };
}

function launchOf({ declaration, firmware, memo }: ReadyPlatform): Part {
  if (!firmware) return open(["mrtd"], NO_FIRMWARE);
  const passes = declaration.tdx?.pages === "two-pass" ? "two" : "single";
  const { mrtd, events } = memo.once(`MRTD ${passes}`, () => predictMrtd(firmware.bytes, { passes }));
  return { events, registers: { mrtd }, unpredicted: [] };
}

/** Equal for machines of one platform whose RTMRs are. */
function rtmrKey({ declaration }: ReadyPlatform): string {
  const { cpus: _, ...machine } = declaration.machine;
  return `RTMRs ${JSON.stringify(machine)}`;
}

async function ovmfRtmrs(
  platform: ReadyPlatform,
  { bootable, prediction }: { bootable: Bootable; prediction: Prediction },
): Promise<Part> {
  const { declaration, firmware } = platform;
  const release = firmwareRelease(platform);
  if (release === undefined) return open(RTMRS, NO_RELEASE);
  const { memoryBytes, vmm } = declaration.machine;
  const memory = memoryBytes !== undefined && { memoryBytes };
  const { rtmr, ...rtmrs } = predictRtmrs(prediction, {
    firmware: { ...(firmware && { file: firmware.bytes }), release, ...(await buildOf(platform)) },
    machine: vmm?.startsWith("gce") ? { ...memory, vmm: "gce", earlyAccept: "all" } : { ...memory },
    software: bootable.memo.once("software", () => softwareOf(bootable.image)),
    environment: environmentOf(platform),
    hasTpm: declaration.tpm ?? true,
  });
  return { ...rtmrs, events: rtmrs.events.filter(isKnown), registers: { rtmr } };
}

/** What the host decides and nobody has told has no digest, and stands in `unpredicted`. */
function isKnown({ digests }: MeasuredEvent): boolean {
  return Object.keys(digests).length > 0;
}

/** What firmware was built from: as the platform says, else as its modules tell. */
async function buildOf({
  declaration,
  firmware,
  memo,
}: ReadyPlatform): Promise<Pick<TdBoot["firmware"], "build" | "measuresCc">> {
  const told = firmware && (await memo.once("modules", () => identifyTdFirmware(firmware.bytes)));
  const { build: declared, measuresCc = told?.measuresCc } = declaration.firmware ?? {};
  const build = declared === "td-shim" ? undefined : declared;
  return { build: build ?? told?.build ?? "OvmfPkgX64", ...(measuresCc !== undefined && { measuresCc }) };
}

function environmentOf({ declaration, ccel }: ReadyPlatform): TdEnvironment {
  // QEMU hands the kernel to firmware, which then has nothing else to boot.
  const isHandedOver = declaration.boot?.startsWith("kernel-") === true;
  return { ...(isHandedOver && { bootVariables: "firmware-only" as const }), ...(ccel && environmentOfCcel(ccel)) };
}

/** td-shim starts a kernel, which the VMM hands to it with its command line. */
function shimRtmrs(firmware: NamedBytes | undefined, { image, commandLine = "" }: Bootable): Part {
  if (!firmware) return open(RTMRS, NO_FIRMWARE);
  const kernel = image.read(0, image.sizeBytes);
  const payload = { kind: "linux", kernel, commandLine: Buffer.from(commandLine) } as const;
  const { rtmr, ...rtmrs } = predictTdShim({ firmware: firmware.bytes, payload });
  return { ...rtmrs, events: rtmrs.events.filter(isKnown), registers: { rtmr } };
}

function open(registers: readonly string[], reason: string): Part {
  return { events: [], registers: {}, unpredicted: registers.map((register) => ({ register, reason })) };
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
