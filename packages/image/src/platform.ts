import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { isSecureBootOn, secureBootVariablesOf, type UkiOnEspOptions } from "@cvm-build/measure";
import { readVariableStore } from "@cvm-build/uki";
import { openNamedFile } from "./named-file.ts";

/** Firmware and boot path that registers are predicted for: a UKI on an ESP, started by OVMF, with a TPM. */
export interface Platform {
  name: "qemu-ovmf" | "qemu-ovmf-secureboot";
  secureBoot: UkiOnEspOptions["secureBoot"];
}

/**
 * The platform that a variable store makes of OVMF.
 * @param variableStore path; without one Secure Boot is off, and its variables are not known
 * @throws FormatError where the file is no variable store; CvmError `no-file` where there is none
 */
export function platformOf(variableStore: string | undefined): Platform {
  if (variableStore === undefined) return { name: "qemu-ovmf", secureBoot: false };
  using source = openNamedFile(variableStore, "variable store");
  const variables = secureBootVariablesOf(readVariableStore(source));
  return { name: isSecureBootOn(variables) ? "qemu-ovmf-secureboot" : "qemu-ovmf", secureBoot: { variables } };
}

/** Name of the variable store beside an image that was measured with one. */
export function variableStoreName(imageId: string): string {
  return `${imageId}.vars.fd`;
}

/** The variable store beside a UKI, or undefined where there is none. */
export function variableStoreBeside(ukiPath: string): string | undefined {
  const path = join(dirname(ukiPath), variableStoreName(basename(ukiPath, ".efi")));
  return existsSync(path) ? path : undefined;
}
