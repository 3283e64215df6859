import { digest, HASH_ALGORITHMS, type HashAlgorithm } from "@cvm-build/bytes";
import type { EventSource, MeasuredEvent } from "./event.ts";
import { timerPatches } from "./firmware/acpi-timer.ts";
import { type OvmfVolumes, unpackOvmf } from "./firmware/ovmf.ts";
import { type Patch, platformInfoPatches } from "./firmware/platform-info-hob.ts";
import type { FirmwareMachine } from "./firmware/qemu-memory.ts";
import { identifyBuild, type OvmfBuild, peiCoreOf, platformPeiOf } from "./firmware/release.ts";
import { smmRelocationPatches } from "./firmware/smm-relocation.ts";
import { utf16WithNul } from "./prediction.ts";

/** Request for `predictPcr0`. */
export interface Pcr0Options {
  /** What QEMU loads: all of OVMF, or its code without the variables. */
  firmware: Buffer;
  machine: FirmwareMachine;
  /** Default: all. */
  banks?: readonly HashAlgorithm[];
}

/** What firmware measures of itself. */
export interface Pcr0Prediction {
  /** In order: version, volume of the phase before memory, volume of drivers, separator. Empty where PCR 0 is not predicted. */
  events: MeasuredEvent[];
  /** Why PCR 0 is not predicted. */
  unpredicted?: string;
  /** What the bytes tell of the build; absent where they tell nothing. */
  build?: OvmfBuild;
}

const FIRMWARE_BLOB = "EV_EFI_PLATFORM_FIRMWARE_BLOB";

/**
 * Predicts PCR 0 of a machine that QEMU starts with OVMF and a TPM: the build's version, and the two volumes that it
 * unpacks, as they are when it measures them: by then it has written into the first.
 * @throws FormatError where the firmware's volumes cannot be read
 * @see EDK2 `SecurityPkg/Tcg/Tcg2Pei`, `MeasureCRTMVersion` and `MeasureFvImage`
 */
export async function predictPcr0({
  firmware,
  machine,
  banks = HASH_ALGORITHMS,
}: Pcr0Options): Promise<Pcr0Prediction> {
  const volumes = await unpackOvmf(firmware);
  if (!volumes) return { events: [], unpredicted: "the firmware has no two volumes to unpack, as OVMF with a TPM has" };
  const build = identifyBuild(volumes);
  if (!build)
    return {
      events: [],
      unpredicted: "the firmware has no module that measures to a TPM 2.0, or one that states several versions",
    };
  const patches = patchesOf(volumes, build, machine);
  if (typeof patches === "string") return { events: [], unpredicted: patches, build };
  const pei = Buffer.from(volumes.pei.bytes);
  for (const { offset, bytes } of patches) bytes.copy(pei, offset);
  const event = (type: string, label: string, bytes: Buffer, source: EventSource): MeasuredEvent => ({
    register: "pcr0",
    type,
    label,
    digests: Object.fromEntries(banks.map((bank) => [bank, digest(bank, bytes).toString("hex")])),
    source,
    content: { sizeBytes: bytes.length, ...(bytes.length < 256 && { hex: bytes.toString("hex") }) },
  });
  const file = { file: "firmware" };
  return {
    events: [
      event("EV_S_CRTM_VERSION", "firmware version", utf16WithNul(build.version), file),
      event(FIRMWARE_BLOB, "PEI volume", pei, file),
      event(FIRMWARE_BLOB, "DXE volume", volumes.dxe.bytes, file),
      event("EV_SEPARATOR", "separator", Buffer.alloc(4), { constant: "separator" }),
    ],
    build,
  };
}

/** What the build has written into its first volume, or why that is not known. */
function patchesOf(volumes: OvmfVolumes, build: OvmfBuild, machine: FirmwareMachine): Patch[] | string {
  const { release, hasSmm, version } = build;
  const peiCore = peiCoreOf(volumes);
  const platformPei = platformPeiOf(volumes);
  if (release === undefined || !peiCore || !platformPei) {
    const name = version === "" ? "that states no version" : version;
    return `what OVMF ${name} writes into its volume before measuring it is known for edk2 2022.11, 2025.02 and 2026.08 only`;
  }
  if (hasSmm && machine.type !== "q35") return "its management mode needs a q35 machine";
  if (release === "2022.11") return platformInfoPatches(platformPei, machine, hasSmm);
  const timer = timerPatches(peiCore, machine);
  if (!hasSmm) return timer;
  const relocation = smmRelocationPatches(platformPei, machine, version);
  return typeof relocation === "string" ? relocation : [...timer, ...relocation];
}
