import type { Unpredicted } from "../prediction.ts";

/** Registers that nothing of a boot's description determines, whatever it says. */
const ALWAYS_OPEN: readonly Unpredicted[] = [
  { register: "pcr1", reason: "depends on QEMU's version, devices and firmware settings" },
  { register: "pcr10", reason: "extended by IMA at run time" },
  { register: "pcr15", reason: "extended by userspace with machine id and volume keys" },
  { register: "pcr16", reason: "for debugging: whoever likes resets and extends it" },
  ...[17, 18, 19, 20, 21, 22].map((pcr) => ({
    register: `pcr${pcr}`,
    reason: "of a dynamic launch (DRTM), which this boot path has not",
  })),
  { register: "pcr23", reason: "for applications: whoever likes resets and extends it" },
];

/** The registers that are left open, each with the first reason that was found. */
export class OpenRegisters {
  readonly #reasons = new Map<string, string>(ALWAYS_OPEN.map(({ register, reason }) => [register, reason]));

  /** Leaves PCRs open. */
  leave(pcrs: readonly number[], reason: string): void {
    for (const pcr of pcrs) {
      const register = `pcr${pcr}`;
      if (!this.#reasons.has(register)) this.#reasons.set(register, reason);
    }
  }

  /** Whether a register has no value. */
  has(register: string): boolean {
    return this.#reasons.has(register);
  }

  /** All of them, by number. */
  list(): Unpredicted[] {
    const entries = [...this.#reasons].map(([register, reason]) => ({ register, reason }));
    return entries.sort((a, b) => Number(a.register.slice(3)) - Number(b.register.slice(3)));
  }
}
