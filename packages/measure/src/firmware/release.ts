import type { Guid } from "@cvm-build/bytes";
import type { OvmfVolumes, PeiModule } from "./ovmf.ts";
import { readFiles } from "./volumes.ts";

/** Releases of EDK2 whose behaviour before memory is known, from source and from boots. */
export type Edk2Release = "2022.11" | "2025.02" | "2026.08";

/** What the bytes of an OVMF tell of its build. */
export interface OvmfBuild {
  /** As the build states it and measures it first; empty where it states none, as Debian's 2022.11. */
  version: string;
  /** Undefined where it is none of those that are known. */
  release: Edk2Release | undefined;
  /** Whether it keeps variables in memory of the management mode. */
  hasSmm: boolean;
  /** Whether it knows Secure Boot; one that does not measures an empty variable `SecureBoot` into PCR 7. */
  hasSecureBoot: boolean;
}

/** Modules by name. @see EDK2, `FILE_GUID` of their `.inf` */
const PEI_CORE: Guid = "52c05b14-0b98-496c-bc3b-04b50211d680";
const PCD_PEIM: Guid = "9b3ada4f-ae56-4c24-8dea-f03b7558ae50";
const STATUS_CODE_ROUTER: Guid = "a3610442-e69f-4df3-82ca-2360c4031a23";
const STATUS_CODE_HANDLER: Guid = "9d225237-fa01-464c-a949-baabc02d31d0";
const TD_TCG2_PEI: Guid = "fcb3a3d6-6274-411c-a548-bd0e717d533a";
const PLATFORM_PEI: Guid = "222c386d-5abc-4fb4-b124-fbb82488acf4";
const TCG2_PEI: Guid = "a0c98b77-cba5-4bb8-993b-4af6ce33ece4";
const SMM_ACCESS_PEI: Guid = "6c0e75b4-b0b9-44d1-8210-3377d7b4e066";
const SECURE_BOOT_CONFIG: Guid = "f0e6a44f-7195-41c3-ac64-54f202cd0a21";

const BEFORE_MEMORY = [PEI_CORE, PCD_PEIM, STATUS_CODE_ROUTER, STATUS_CODE_HANDLER] as const;

/**
 * Rules for each release: how it states itself, and the modules that run in the volume itself. Later ones are copied to
 * memory first, so that the volume stays as it is.
 */
const RELEASES: Record<Edk2Release, { version: RegExp; inPlace: readonly (readonly Guid[])[] }> = {
  "2022.11": { version: /^$/, inPlace: [[...BEFORE_MEMORY, PLATFORM_PEI]] },
  "2025.02": { version: /^2025\.02-/, inPlace: [[...BEFORE_MEMORY, TD_TCG2_PEI, PLATFORM_PEI]] },
  // Generic builds know TDX; those for SEV do not.
  "2026.08": {
    version: /^2026\.08\+ds-/,
    inPlace: [
      [...BEFORE_MEMORY, TD_TCG2_PEI, PLATFORM_PEI],
      [...BEFORE_MEMORY, PLATFORM_PEI],
    ],
  },
};

/** Text of at least four characters, as firmware writes it, with its end. */
const UTF16_TEXT = /(?:[\x20-\x7e]\0){4,}(?=\0\0)/g;

/**
 * Tells which build of OVMF it is, by what is in its volumes.
 * @returns undefined where it measures nothing to a TPM, or states several versions
 */
export function identifyBuild({ modules, dxe }: OvmfVolumes): OvmfBuild | undefined {
  const measuring = moduleNamed(modules, TCG2_PEI);
  const versions = measuring && textsOf(measuring);
  if (!versions || versions.length > 1) return undefined;
  const version = versions[0] ?? "";
  return {
    version,
    release: releaseOf(modules, version),
    hasSmm: moduleNamed(modules, SMM_ACCESS_PEI) !== undefined,
    hasSecureBoot: readFiles(dxe).some(({ name }) => name === SECURE_BOOT_CONFIG),
  };
}

/** The module that starts all others. */
export function peiCoreOf({ modules }: OvmfVolumes): PeiModule | undefined {
  return moduleNamed(modules, PEI_CORE);
}

/** The module that finds out about the machine. */
export function platformPeiOf({ modules }: OvmfVolumes): PeiModule | undefined {
  return moduleNamed(modules, PLATFORM_PEI);
}

function releaseOf(modules: readonly PeiModule[], version: string): Edk2Release | undefined {
  const platform = modules.findIndex(({ name }) => name === PLATFORM_PEI);
  const inPlace = modules
    .slice(0, platform + 1)
    .map(({ name }) => name)
    .join();
  const releases = Object.entries(RELEASES) as [Edk2Release, (typeof RELEASES)[Edk2Release]][];
  return releases.find(
    ([, rule]) => rule.version.test(version) && rule.inPlace.some((names) => names.join() === inPlace),
  )?.[0];
}

function moduleNamed(modules: readonly PeiModule[], wanted: Guid): PeiModule | undefined {
  return modules.find(({ name }) => name === wanted);
}

/** Distinct texts in a module's image. */
function textsOf({ code }: PeiModule): string[] {
  const image = code.volume.toString("latin1", code.start, code.end);
  return [...new Set((image.match(UTF16_TEXT) ?? []).map((text) => text.replaceAll("\0", "")))];
}
