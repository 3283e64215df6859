import { u16le } from "@cvm-build/bytes";
import type { EventLog, LoggedEvent } from "../eventlog/reader.ts";
import { EV_NO_ACTION, VariableData } from "../eventlog/format.ts";
import { type CcMrIndex, rtmrOf } from "../eventlog/replay.ts";
import { isAtLeast } from "../boot/version.ts";
import { acpiInLoadOrder } from "./acpi-loader.ts";
import type { Measurable } from "./rtmr-event.ts";

/** What firmware's boot manager holds when it first starts something. */
export interface BootVariables {
  /** BootOrder. */
  order: Measurable;
  /** Boot#### of that order: their data. */
  options: { name: string; data: Measurable }[];
}

/**
 * What the host, and not the image, decides of RTMR 0. What is not given is not known, and then RTMR 0 has no value.
 */
export interface TdEnvironment {
  /** The script that places ACPI tables and the files that it places, in their order: `acpiInLoadOrder`. */
  acpi?: readonly Measurable[];
  /** The SMBIOS table as EDK2 measures it, without serial numbers and the like. Since edk2-stable202505. */
  smbios?: Measurable;
  /** Items of QEMU's fw_cfg by name; those that are not there do not exist. Since edk2-stable202505, in IntelTdxX64. */
  fwCfg?: Readonly<Record<string, Measurable>>;
  /** `firmware-only`: nothing but what the firmware itself registers, as where QEMU hands the kernel to it. */
  bootVariables?: BootVariables | "firmware-only";
  /** What systemd-stub measures of the SMBIOS table. Since systemd 262. */
  smbiosOfStub?: readonly Measurable[];
}

/** First release with a menu of its own beside the setup. */
const MENU_APP_SINCE = "2025.05";
/** Options of applications in the firmware volume of drivers. @see EDK2, OvmfPkg/Library/PlatformBootManagerLib */
const UI_APP = "21aa2c4614760345836e8ab6f4662331";
const MENU_APP = "dc5bc2eef267954db1d5f81b2039d11d";
const DRIVER_VOLUME = "c9bdb87cebf8344faaea3ee4af6516a1";
const LOAD_OPTION = { active: 0x01, hidden: 0x08, application: 0x100 } as const;

/** The boot variables of OVMF that finds nothing to boot from. */
export function firmwareBootVariables(release: string): BootVariables {
  const { active, hidden, application } = LOAD_OPTION;
  const hiddenApp = active | hidden | application;
  const options = isAtLeast(release, MENU_APP_SINCE)
    ? [
        encodeLoadOption("BootManagerMenuApp", { attributes: hiddenApp, file: MENU_APP }),
        encodeLoadOption("EFI Firmware Setup", { attributes: active | application, file: UI_APP }),
      ]
    : [encodeLoadOption("UiApp", { attributes: hiddenApp, file: UI_APP })];
  const named = options.map((data, index) => ({ name: `Boot${index.toString(16).padStart(4, "0")}`, data }));
  return { order: Buffer.concat(options.map((_, index) => u16(index))), options: named };
}

/** @see UEFI Specification 2.10, "EFI_LOAD_OPTION"; Platform Initialization Specification 1.8, volume 3, MEDIA_FV_DP */
function encodeLoadOption(description: string, option: { attributes: number; file: string }): Buffer {
  const nodes = [
    Buffer.from(`04071400${DRIVER_VOLUME}`, "hex"),
    Buffer.from(`04061400${option.file}`, "hex"),
    Buffer.from("7fff0400", "hex"),
  ];
  const path = Buffer.concat(nodes);
  const text = Buffer.from(`${description}\0`, "utf16le");
  return Buffer.concat([u16(option.attributes), u16(0), u16(path.length), text, path]);
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(u16le.sizeBytes);
  u16le.put(bytes, 0, value);
  return bytes;
}

/**
 * The environment that files of fw_cfg tell of, as a guest has them under `/sys/firmware/qemu_fw_cfg/by_name`; ACPI tables
 * are as QEMU makes them once firmware has set up PCI. SMBIOS, of which firmware measures a part, is not among it.
 * @param options.bootMenu whether QEMU is asked for a menu (`-boot menu=on`), which is an item without a name
 * @throws FormatError where the script that places ACPI tables is none, or names a file that is not given
 */
export function environmentOfFwCfg(
  files: Readonly<Record<string, Uint8Array>>,
  { bootMenu = false }: { bootMenu?: boolean } = {},
): TdEnvironment {
  return { acpi: acpiInLoadOrder(files), fwCfg: { ...files, BootMenu: u16(bootMenu ? 1 : 0) } };
}

/** What OVMF logs of ACPI tables, and in front of the names of items of fw_cfg. */
const ACPI_DATA = "ACPI DATA";
const FW_CFG = "QEMU FW CFG\0";

/**
 * The environment of a machine that has run, from its CCEL: what to declare for others that are to be like it. Digests in
 * the log are taken as they are; whether the log is true is for a quote to say.
 */
export function environmentOfCcel({ events }: Pick<EventLog, "events">): TdEnvironment {
  const own = events.filter(({ register, eventType }) => {
    return rtmrOf(register as CcMrIndex) === 0 && eventType !== EV_NO_ACTION;
  });
  const acpi = own.filter(({ data }) => data.toString("latin1").replace(/\0+$/, "") === ACPI_DATA).flatMap(measured);
  const fwCfg = own.flatMap((event) => {
    const text = event.data.toString("latin1");
    const name = text.startsWith(FW_CFG) ? text.slice(FW_CFG.length).split("\0", 1)[0] : undefined;
    return name === undefined ? [] : measured(event).map((digest) => [name, digest] as const);
  });
  const [smbios] = own.filter(({ typeName }) => typeName === "EV_EFI_HANDOFF_TABLES").flatMap(measured);
  const [order, ...options] = own
    .filter(({ typeName }) => typeName === "EV_EFI_VARIABLE_BOOT")
    .flatMap((event) => measured(event).map((data) => ({ name: variableName(event), data })));
  const tags = own.filter(({ typeName }) => typeName === "EV_EVENT_TAG").flatMap(measured);
  return {
    ...(acpi.length > 0 && { acpi }),
    ...(smbios && { smbios }),
    ...(fwCfg.length > 0 && { fwCfg: Object.fromEntries(fwCfg) }),
    ...(order && { bootVariables: { order: order.data, options } }),
    ...(tags.length > 0 && { smbiosOfStub: tags }),
  };
}

function measured({ digests }: LoggedEvent): { sha384: string }[] {
  return digests.sha384 === undefined ? [] : [{ sha384: digests.sha384 }];
}

function variableName({ data }: LoggedEvent): string {
  if (data.length < VariableData.sizeBytes) return "";
  const { nameChars } = VariableData.decode(data);
  const end = Math.min(data.length, VariableData.sizeBytes + nameChars * 2);
  return data.toString("utf16le", VariableData.sizeBytes, end);
}
