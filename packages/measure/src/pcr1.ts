import { digest, encodeGuid, HASH_ALGORITHMS, type HashAlgorithm } from "@cvm-build/bytes";
import type { MeasuredEvent } from "./event.ts";
import type { OvmfBuild } from "./firmware/release.ts";
import { utf16WithNul } from "./prediction.ts";

/** What firmware measures of its settings and of the machine, before it starts anything. */
export interface Pcr1Prediction {
  /** In order, with the separator. Empty where PCR 1 is not predicted. */
  events: MeasuredEvent[];
  /** Why PCR 1 is not predicted, with what it depends on. */
  unpredicted?: string;
}

/** The volume of drivers, and the firmware's own menu in it. @see EDK2 `OvmfPkg.fdf`, `MdeModulePkg/Application/UiApp` */
const DXE_VOLUME = "7cb8bdc9-f8eb-4f34-aaea-3ee4af6516a1";
const UI_APP = "462caa21-7614-4503-836e-8ab6f4662331";
/** Active, hidden, an application. @see UEFI Specification 2.10, 3.1.3 "Load Options" */
const UI_APP_ATTRIBUTES = 0x109;

/**
 * Predicts what firmware puts into PCR 1: its boot options and, from edk2 2023.02 on, tables that QEMU makes.
 * @param options.path `kernel` where QEMU hands over what is started: then no device's boot option is there yet
 * @param options.hasFreshVariables whether the store of variables is as distributed: no boot option is in it
 */
export function predictFirmwarePcr1(options: {
  build: OvmfBuild | undefined;
  path: "kernel" | "disk";
  hasFreshVariables: boolean;
  banks?: readonly HashAlgorithm[];
}): Pcr1Prediction {
  const { build, path, hasFreshVariables, banks = HASH_ALGORITHMS } = options;
  const refuse = (unpredicted: string) => ({ events: [], unpredicted });
  if (!build?.release) return refuse("what this firmware measures of its settings is not known");
  const tables = "the ACPI tables that QEMU makes: its version, machine type, devices, memory and vCPUs";
  if (build.release === "2026.08") return refuse(`depends on ${tables}, on SMBIOS tables and on boot options`);
  if (build.release === "2025.02") return refuse(`depends on ${tables}, and on boot options`);
  if (!hasFreshVariables) return refuse("depends on boot options in the store of variables");
  if (path === "disk")
    return refuse("depends on boot options that firmware makes for devices, by where they are plugged in");
  const event = (type: string, label: string, bytes: Buffer, constant: string): MeasuredEvent => ({
    register: "pcr1",
    type,
    label,
    digests: Object.fromEntries(banks.map((bank) => [bank, digest(bank, bytes).toString("hex")])),
    source: { constant },
    content: { sizeBytes: bytes.length, hex: bytes.toString("hex") },
  });
  return {
    events: [
      event("EV_EFI_VARIABLE_BOOT", "BootOrder", Buffer.alloc(2), "boot options"),
      event("EV_EFI_VARIABLE_BOOT", "Boot0000", uiAppOption(), "boot options"),
      event("EV_SEPARATOR", "separator", Buffer.alloc(4), "separator"),
    ],
  };
}

/** The firmware's menu as a boot option. @see UEFI Specification 2.10, 3.1.3 "Load Options" */
function uiAppOption(): Buffer {
  const node = (type: number, subtype: number, data: Buffer) =>
    Buffer.concat([Buffer.of(type, subtype, 4 + data.length, 0), data]);
  const path = Buffer.concat([
    node(4, 7, encodeGuid(DXE_VOLUME)),
    node(4, 6, encodeGuid(UI_APP)),
    node(0x7f, 0xff, Buffer.alloc(0)),
  ]);
  const head = Buffer.alloc(6);
  head.writeUInt32LE(UI_APP_ATTRIBUTES, 0);
  head.writeUInt16LE(path.length, 4);
  return Buffer.concat([head, utf16WithNul("UiApp"), path]);
}
