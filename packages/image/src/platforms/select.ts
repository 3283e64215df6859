import { isSecureBootOn } from "@cvm-build/measure";
import type { PlatformDeclaration } from "@cvm-build/profile";
import { findPlatform, type PlatformPlaces } from "./find-platform.ts";
import { type ReadyPlatform, readPlatform } from "./ready-platform.ts";

/** Which platforms registers are predicted for. */
export interface PlatformChoice {
  /** Where empty: QEMU with OVMF. */
  names: readonly string[];
  /** Absolute path of a variable store, for platforms that name none of their own. */
  variableStore?: string | undefined;
  /** Absolute path of firmware, in place of the platforms' own. */
  firmware?: string | undefined;
}

const DEFAULT = "qemu-ovmf";
const DEFAULT_WITH_SECURE_BOOT = "qemu-ovmf-secureboot";

/**
 * Reads platforms and the files that they name.
 * @throws CvmError `usage` for a name that there is not; `no-file`; FormatError
 */
export async function selectPlatforms(choice: PlatformChoice, places: PlatformPlaces): Promise<ReadyPlatform[]> {
  const { names, variableStore } = choice;
  const ready = (name: string) => readPlatform(withFirmware(findPlatform(name, places), choice), { variableStore });
  if (names.length > 0) return Promise.all(names.map(ready));
  const platform = await ready(DEFAULT);
  const isOn = platform.variables !== undefined && isSecureBootOn(platform.variables);
  return [isOn ? await ready(DEFAULT_WITH_SECURE_BOOT) : platform];
}

function withFirmware(declaration: PlatformDeclaration, { firmware }: PlatformChoice): PlatformDeclaration {
  if (firmware === undefined) return declaration;
  return { ...declaration, firmware: { ...declaration.firmware, file: firmware } };
}
