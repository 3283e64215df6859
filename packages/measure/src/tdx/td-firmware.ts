import { CvmError } from "@cvm-build/bytes";
import { isAtLeast } from "../boot/version.ts";
import { readTdvfMetadata, sectionBytes } from "../firmware/tdvf-metadata.ts";
import type { MeasuredEvent } from "../event.ts";
import type { Unpredicted } from "../prediction.ts";
import { firmwareBootVariables, type TdEnvironment } from "./environment.ts";
import { type Measurable, rtmrEvent } from "./rtmr-event.ts";
import { encodeGceTdHob, encodeTdHob, type GceEarlyAccept } from "./td-hob.ts";

/** OVMF as built for TDX, and what it does not tell of itself. */
export interface TdFirmware {
  /** The file that the VMM loads, with the volume of variables. Without it RTMR 0 has no value. */
  file?: Buffer;
  /** As distributions write it: `2025.02-8+deb13u1`. */
  release: string;
  /** The platform of EDK2 that it was built from: `OvmfPkg/OvmfPkgX64.dsc` or `OvmfPkg/IntelTdx/IntelTdxX64.dsc`. */
  build: "OvmfPkgX64" | "IntelTdxX64";
  /**
   * Whether it offers others to measure into RTMRs: EFI_CC_MEASUREMENT_PROTOCOL. Default: as `CC_MEASUREMENT_ENABLE` of its
   * build and release is where nobody sets it.
   */
  measuresCc?: boolean;
}

/** The machine that runs it. Where its memory is not known, RTMR 0 has no value. */
export type TdMachine =
  | { vmm?: "qemu"; memoryBytes?: number }
  | { vmm: "gce"; memoryBytes?: number; earlyAccept: GceEarlyAccept };

/** First releases in which something is so. @see EDK2, tags `edk2-stable*` */
const SINCE = {
  /** IntelTdxX64 measures at all. */
  intelTdxMeasures: "2022.08",
  /** OvmfPkgX64 measures the hand-off and the volume of variables. */
  ovmfMeasures: "2023.02",
  /** OvmfPkgX64 has `CC_MEASUREMENT_ENABLE` set. */
  ovmfMeasuresCc: "2024.08",
  /** ACPI tables are measured; boot variables go to RTMR 0, not 1; the line between firmware and loader to 0, not 1. */
  acpi: "2023.02",
  /** The line goes to RTMR 1 again. */
  separatorMended: "2024.11",
  /** SMBIOS is measured, and what IntelTdxX64 reads of fw_cfg. */
  smbios: "2025.05",
} as const;

/**
 * Items of fw_cfg that are measured, in this order, and the size that each has to have; others are not read so early.
 * @see EDK2, OvmfPkg/Library/QemuFwCfgLib/QemuFwCfgCacheInit.c, `mCacheFwCfgList`
 */
const FW_CFG_ITEMS: readonly { name: string; sizeBytes?: number }[] = [
  { name: "etc/extra-pci-roots", sizeBytes: 8 },
  { name: "BootMenu", sizeBytes: 2 },
  { name: "etc/boot-menu-wait", sizeBytes: 2 },
  { name: "etc/reserved-memory-end", sizeBytes: 8 },
  { name: "opt/ovmf/X-PciMmio64Mb" },
  { name: "bootorder" },
];

const ACTION = "Calling EFI Application from Boot Option";
const SEPARATOR = Buffer.alloc(4);

/** Events, some of which may have no digest, and why. */
export interface FirmwareEvents {
  events: MeasuredEvent[];
  missing: Unpredicted[];
}

/** Whether others can measure into RTMRs. */
export function offersMeasurement({ release, build, measuresCc }: TdFirmware): boolean {
  if (build === "IntelTdxX64") return measuresCc ?? isAtLeast(release, SINCE.intelTdxMeasures);
  return isAtLeast(release, SINCE.ovmfMeasures) && (measuresCc ?? isAtLeast(release, SINCE.ovmfMeasuresCc));
}

/**
 * What firmware measures before its drivers run: what the host hands to it.
 * @throws FormatError where it is not for TDX; CvmError `platform` where the machine does not hold it
 */
export function earlyEvents(firmware: TdFirmware, machine: TdMachine, environment: TdEnvironment): FirmwareEvents {
  const { file, release, build } = firmware;
  const { memoryBytes } = machine;
  const since = build === "IntelTdxX64" ? SINCE.intelTdxMeasures : SINCE.ovmfMeasures;
  const metadata = file && readTdvfMetadata(file);
  if (!isAtLeast(release, since)) return { events: [], missing: [] };
  const handOff = { type: "EV_EFI_HANDOFF_TABLES2", label: "TD HOB" };
  if (!metadata) return hole([], { ...handOff, missing: "the firmware, of which none was named" });
  if (memoryBytes === undefined) return hole([], { ...handOff, missing: "the size of memory" });
  const tdHob =
    machine.vmm === "gce"
      ? encodeGceTdHob(metadata, { ...machine, memoryBytes })
      : encodeTdHob(metadata, { memoryBytes });
  const memory = { setting: `memory of ${memoryBytes} bytes` };
  const volume = metadata.sections.find(({ type }) => type === "CFV");
  if (!volume)
    throw new CvmError("platform", `cannot predict RTMR 0 of "TDX firmware": expected a section CFV, got none`);
  const events = [
    rtmrEvent(0, { ...handOff, source: memory }, tdHob),
    rtmrEvent(
      0,
      { type: "EV_EFI_PLATFORM_FIRMWARE_BLOB2", label: "CFV", source: { constant: "firmware section CFV" } },
      sectionBytes(file, volume),
    ),
  ];
  if (build !== "IntelTdxX64" || !isAtLeast(release, SINCE.smbios)) return { events, missing: [] };
  const { fwCfg } = environment;
  if (!fwCfg) return hole(events, { label: "fw_cfg", missing: "items of QEMU's fw_cfg, from the host" });
  return { events: [...events, ...fwCfgEvents(fwCfg)], missing: [] };
}

function fwCfgEvents(items: Readonly<Record<string, Measurable>>): MeasuredEvent[] {
  return FW_CFG_ITEMS.flatMap(({ name, sizeBytes }) => {
    const content = Object.hasOwn(items, name) ? items[name] : undefined;
    if (content === undefined) return [];
    const isRead =
      !(content instanceof Uint8Array) ||
      (content.byteLength > 0 && (sizeBytes === undefined || content.byteLength === sizeBytes));
    return isRead ? [environmentEvent({ type: "EV_PLATFORM_CONFIG_FLAGS", label: name }, content)] : [];
  });
}

/** The host's ACPI tables, which firmware measures when it installs them. */
export function acpiEvents({ release }: TdFirmware, { acpi }: TdEnvironment): FirmwareEvents {
  if (!isAtLeast(release, SINCE.acpi)) return { events: [], missing: [] };
  const event = { type: "EV_PLATFORM_CONFIG_FLAGS", label: "ACPI DATA" };
  if (!acpi) return hole([], { ...event, missing: "ACPI tables, from the host" });
  return { events: acpi.map((content) => environmentEvent(event, content)), missing: [] };
}

/** What firmware measures when it first hands over to what it has found to boot. */
export function handOverEvents(firmware: TdFirmware, environment: TdEnvironment): FirmwareEvents {
  const { release } = firmware;
  const smbios = isAtLeast(release, SINCE.smbios) ? smbiosEvents(environment) : { events: [], missing: [] };
  const variables = bootVariableEvents(firmware, environment);
  const isMisplaced = isAtLeast(release, SINCE.acpi) && !isAtLeast(release, SINCE.separatorMended);
  return {
    events: [
      ...smbios.events,
      ...variables.events,
      rtmrEvent(
        1,
        { type: "EV_EFI_ACTION", label: ACTION, source: { constant: "boot option" } },
        Buffer.from(ACTION, "latin1"),
      ),
      rtmrEvent(
        isMisplaced ? 0 : 1,
        { type: "EV_SEPARATOR", label: "separator", source: { constant: "separator" } },
        SEPARATOR,
      ),
    ],
    missing: [...smbios.missing, ...variables.missing],
  };
}

function smbiosEvents({ smbios }: TdEnvironment): FirmwareEvents {
  const event = { type: "EV_EFI_HANDOFF_TABLES", label: "SMBIOS" };
  if (!smbios) return hole([], { ...event, missing: "SMBIOS table, from the host" });
  return { events: [environmentEvent(event, smbios)], missing: [] };
}

function bootVariableEvents({ release }: TdFirmware, { bootVariables }: TdEnvironment): FirmwareEvents {
  const event = { type: "EV_EFI_VARIABLE_BOOT", label: "BootOrder" };
  const register = isAtLeast(release, SINCE.acpi) ? 0 : 1;
  if (!bootVariables) return hole([], { ...event, register, missing: "boot variables, which depend on devices" });
  const isOwn = bootVariables === "firmware-only";
  const { order, options } = isOwn ? firmwareBootVariables(release) : bootVariables;
  const source = isOwn ? { constant: "firmware's boot options" } : { setting: "environment" };
  return {
    events: [
      rtmrEvent(register, { ...event, source }, order),
      ...options.map(({ name, data }) => rtmrEvent(register, { ...event, label: name, source }, data)),
    ],
    missing: [],
  };
}

function environmentEvent(event: { type: string; label: string }, content: Measurable): MeasuredEvent {
  return rtmrEvent(0, { ...event, source: { setting: "environment" } }, content);
}

function hole(
  events: MeasuredEvent[],
  unknown: { type?: string; label: string; register?: number; missing: string },
): FirmwareEvents {
  const { type = "EV_PLATFORM_CONFIG_FLAGS", label, register = 0, missing } = unknown;
  const event = rtmrEvent(register, { type, label, source: { setting: "environment" } }, undefined);
  return { events: [...events, event], missing: [{ register: event.register, reason: missing }] };
}
