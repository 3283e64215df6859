import { digest, HASH_ALGORITHMS, type HashAlgorithm } from "@cvm-build/bytes";
import type { MeasuredEvent } from "./event.ts";
import { timerPatches } from "./firmware/acpi-timer.ts";
import { type OvmfVolumes, unpackOvmf } from "./firmware/ovmf.ts";
import { type Patch, platformInfoPatches } from "./firmware/platform-info-hob.ts";
import type { FirmwareMachine } from "./firmware/qemu-memory.ts";
import { identifyBuild, type OvmfBuild, peiCoreOf, platformPeiOf } from "./firmware/release.ts";
import { smmRelocationPatches } from "./firmware/smm-relocation.ts";
import { utf16WithNul } from "./prediction.ts";

/** Firmware that is read once for predictions of many machines. */
export interface Ovmf {
  /** What the bytes tell of the build; undefined where they tell nothing. */
  build: OvmfBuild | undefined;
  volumes: OvmfVolumes | undefined;
  /** Digests that were taken, by bank and by what the build writes. */
  digests: Map<string, string>;
}

/** Request for `predictPcr0`. */
export interface Pcr0Options {
  /** What QEMU loads: all of OVMF, or its code without the variables; or that as `readOvmf` has it. */
  firmware: Buffer | Ovmf;
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
  /** What was taken for granted, where the build depends on what the machine's description leaves out. */
  assumed?: string;
  /** What the bytes tell of the build; absent where they tell nothing. */
  build?: OvmfBuild;
}

const USUAL_PROCESSOR =
  "a processor of AMD with addresses of 40 bits, as QEMU shows it under TCG unless told otherwise";
/** Event type of a volume. */
const BLOB = "EV_EFI_PLATFORM_FIRMWARE_BLOB";

/**
 * Reads firmware.
 * @param firmware what QEMU loads: all of OVMF, or its code without the variables
 * @throws FormatError where its volumes cannot be read
 */
export async function readOvmf(firmware: Buffer): Promise<Ovmf> {
  const volumes = await unpackOvmf(firmware);
  return { volumes, build: volumes && identifyBuild(volumes), digests: new Map() };
}

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
  const { volumes, build, digests } = Buffer.isBuffer(firmware) ? await readOvmf(firmware) : firmware;
  if (!volumes) return unpredicted("the firmware has no two volumes to unpack, as OVMF with a TPM has");
  if (!build)
    return unpredicted("the firmware has no module that measures to a TPM 2.0, or one that states several versions");
  const patches = patchesOf(volumes, build, machine);
  if (typeof patches === "string") return { ...unpredicted(patches), build };
  const { pei, dxe } = volumes;
  const version = utf16WithNul(build.version);
  const written = patches.map(({ offset, bytes }) => `${offset}:${bytes.toString("hex")}`).join();
  const part = (label: string, sizeBytes: number, content: () => Buffer, key = label): Part => {
    const ofBank = (bank: HashAlgorithm) => {
      const known = digests.get(`${bank} ${key}`) ?? digest(bank, content()).toString("hex");
      digests.set(`${bank} ${key}`, known);
      return [bank, known] as const;
    };
    return { label, content: { sizeBytes }, digests: Object.fromEntries(banks.map(ofBank)) };
  };
  const shown = (label: string, bytes: Buffer): Part => ({
    ...part(label, bytes.length, () => bytes),
    content: { sizeBytes: bytes.length, hex: bytes.toString("hex") },
  });
  const source = { file: "firmware" };
  return {
    events: [
      { ...shown("firmware version", version), type: "EV_S_CRTM_VERSION", source },
      {
        ...part("PEI volume", pei.bytes.length, () => patched(pei.bytes, patches), `PEI ${written}`),
        type: BLOB,
        source,
      },
      { ...part("DXE volume", dxe.bytes.length, () => dxe.bytes), type: BLOB, source },
      { ...shown("separator", Buffer.alloc(4)), type: "EV_SEPARATOR", source: { constant: "separator" } },
    ].map((event) => ({ register: "pcr0" as const, ...event })),
    ...(build.release === "2022.11" && !machine.cpu && { assumed: USUAL_PROCESSOR }),
    build,
  };
}

/** What an event measures, and its digests. */
type Part = Pick<MeasuredEvent, "label" | "content" | "digests">;

function unpredicted(reason: string): Pcr0Prediction {
  return { events: [], unpredicted: reason };
}

function patched(volume: Buffer, patches: readonly Patch[]): Buffer {
  const bytes = Buffer.from(volume);
  for (const { offset, bytes: written } of patches) written.copy(bytes, offset);
  return bytes;
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
  if ((machine.guest ?? "plain") !== "plain")
    return "what OVMF writes into its volume under TDX or SEV was not watched";
  if (hasSmm && machine.type !== "q35") return "its management mode needs a q35 machine";
  if (release === "2022.11") return platformInfoPatches(platformPei, machine, hasSmm);
  const timer = timerPatches(peiCore, machine);
  if (!hasSmm) return timer;
  const relocation = smmRelocationPatches(platformPei, machine, version);
  return typeof relocation === "string" ? relocation : [...timer, ...relocation];
}
