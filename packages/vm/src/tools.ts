import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, isAbsolute, join } from "node:path";
import { VmError } from "./errors.ts";

/** UEFI firmware of a machine. Without `varsPath` the code file holds its variable store too. */
export interface Firmware {
  codePath: string;
  /** Template of the variable store; every boot gets a copy of its own. */
  varsPath?: string;
  /** Whether it keeps its variables in system management mode, as builds that enforce Secure Boot do. */
  smm?: boolean;
}

/** The programs and files that a boot needs, by absolute path. */
export interface VmTools {
  qemu: string;
  swtpm: string;
  firmware: Firmware;
}

/** Where to look for tools. */
export interface FindToolsOptions {
  /** The directories to search for programs, as `PATH` has them. */
  searchPath: string;
  /** Programs and firmware that the user named: a path, or a name to search for. */
  overrides?: { qemu?: string; swtpm?: string; firmware?: Firmware };
  /** Where firmware is looked for, best first; `FIRMWARE_PLACES` unless given. */
  firmwarePlaces?: readonly Firmware[];
}

/** Where distributions keep OVMF without Secure Boot, best first. */
export const FIRMWARE_PLACES: readonly Firmware[] = [
  { codePath: "/usr/share/OVMF/OVMF_CODE_4M.fd", varsPath: "/usr/share/OVMF/OVMF_VARS_4M.fd" },
  { codePath: "/usr/share/OVMF/OVMF_CODE.fd", varsPath: "/usr/share/OVMF/OVMF_VARS.fd" },
  { codePath: "/usr/share/edk2/ovmf/OVMF_CODE.fd", varsPath: "/usr/share/edk2/ovmf/OVMF_VARS.fd" },
  { codePath: "/usr/share/edk2/x64/OVMF_CODE.4m.fd", varsPath: "/usr/share/edk2/x64/OVMF_VARS.4m.fd" },
  { codePath: "/usr/share/qemu/OVMF.fd" },
  { codePath: "/usr/share/ovmf/OVMF.fd" },
];

/** Where distributions keep the code of OVMF that enforces Secure Boot, best first. */
const SECURE_BOOT_CODE = [
  "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd",
  "/usr/share/OVMF/OVMF_CODE.secboot.fd",
  "/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd",
  "/usr/share/edk2/x64/OVMF_CODE.secboot.4m.fd",
];

/** Where to look for OVMF that enforces Secure Boot with the keys of a variable store. */
export function secureBootFirmwarePlaces(varsPath: string): Firmware[] {
  return SECURE_BOOT_CODE.map((codePath) => ({ codePath, varsPath, smm: true }));
}

/** Each tool with the Debian package that has it. */
const DEBIAN_PACKAGES = { qemu: "qemu-system-x86", firmware: "ovmf", swtpm: "swtpm" } as const;

/**
 * Finds QEMU, swtpm and OVMF.
 * @throws VmError `missing-tool`, naming everything that is missing at once
 */
export async function findTools(options: FindToolsOptions): Promise<VmTools> {
  const { searchPath, overrides = {} } = options;
  const qemu = await findProgram(overrides.qemu ?? "qemu-system-x86_64", searchPath);
  const swtpm = await findProgram(overrides.swtpm ?? "swtpm", searchPath);
  const places = overrides.firmware ? [overrides.firmware] : (options.firmwarePlaces ?? FIRMWARE_PLACES);
  const firmware = await findFirmware(places);
  if (qemu !== undefined && swtpm !== undefined && firmware !== undefined) return { qemu, swtpm, firmware };

  const missing = [
    ...(qemu === undefined ? (["qemu"] as const) : []),
    ...(firmware === undefined ? (["firmware"] as const) : []),
    ...(swtpm === undefined ? (["swtpm"] as const) : []),
  ];
  const names = {
    qemu: overrides.qemu ?? "qemu-system-x86_64",
    firmware: overrides.firmware?.codePath ?? "OVMF firmware",
    swtpm: overrides.swtpm ?? "swtpm",
  };
  const packages = missing.map((tool) => DEBIAN_PACKAGES[tool]);
  throw new VmError(
    "missing-tool",
    `cannot boot an image here: expected qemu-system-x86_64, swtpm and OVMF, got no ${missing
      .map((tool) => names[tool])
      .join(", no ")}`,
    { hint: `on Debian and Ubuntu: apt-get install ${packages.join(" ")}`, details: { missing, packages } },
  );
}

async function findProgram(name: string, searchPath: string): Promise<string | undefined> {
  if (isAbsolute(name)) return (await isUsable(name, constants.X_OK)) ? name : undefined;
  for (const directory of searchPath.split(delimiter)) {
    const path = join(directory, name);
    if (isAbsolute(path) && (await isUsable(path, constants.X_OK))) return path;
  }
  return undefined;
}

async function findFirmware(places: readonly Firmware[]): Promise<Firmware | undefined> {
  for (const place of places) {
    const files = place.varsPath === undefined ? [place.codePath] : [place.codePath, place.varsPath];
    const usable = await Promise.all(files.map((file) => isUsable(file, constants.R_OK)));
    if (usable.every(Boolean)) return place;
  }
  return undefined;
}

async function isUsable(path: string, mode: number): Promise<boolean> {
  try {
    await access(path, mode);
    return true;
  } catch {
    return false;
  }
}
