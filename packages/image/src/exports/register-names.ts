import type { RegisterName } from "@cvm-build/measure";

/** Registers of a TPM. */
export const PCRS: readonly RegisterName[] = Array.from({ length: 24 }, (_, index): RegisterName => `pcr${index}`);
/** Registers of a TD. */
export const TDX_REGISTERS: readonly RegisterName[] = ["mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3"];
/** What SEV has in place of registers. */
export const LAUNCH_DIGEST: readonly RegisterName[] = ["launchDigest"];

const ALL: readonly string[] = [...TDX_REGISTERS, ...LAUNCH_DIGEST, ...PCRS];

/** Says whether this is the name of a register. */
export function isRegisterName(name: string): name is RegisterName {
  return ALL.includes(name);
}
