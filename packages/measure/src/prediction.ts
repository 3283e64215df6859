import type { HashAlgorithm } from "@cvm-build/bytes";
import type { MeasuredEvent, RegisterName } from "./event.ts";
import type { RegisterValues } from "./registers.ts";

/** A register that is not predicted, and why. */
export interface Unpredicted {
  /** `pcr9`. */
  register: string;
  reason: string;
}

/** A register that has one of a few values, and what decides which. */
export interface Alternative {
  register: RegisterName;
  /** Lower-case hex, by bank. */
  values: Partial<Record<HashAlgorithm, string>>[];
  reason: string;
}

/** An image that firmware with Secure Boot does not start, and why. */
export interface Refusal {
  path: string;
  reason: string;
}

/** What runs without being measured, and why. */
export interface Unmeasured {
  path: string;
  reason: string;
}

/** What the registers of a machine will hold: an event log, its replay, and what is left open. */
export interface Prediction {
  /** In the order in which they are measured. */
  events: MeasuredEvent[];
  /** At the end of the boot, with all phases reached. */
  registers: RegisterValues;
  /** PCR 11 after each phase path; `""` is before any phase. */
  phases: Partial<Record<HashAlgorithm, Record<string, string>>>;
  unpredicted: Unpredicted[];
  /** Registers that have no one value but a few, with what decides; `events` has those of the first. */
  alternatives?: Alternative[];
  /** Add-ons that firmware does not start, and which then have no effect. */
  refused: Refusal[];
  /** Images that take part in the boot and leave no trace in a register. */
  unmeasured?: Unmeasured[];
}

/** `value` as the firmware's UTF-16, with the terminating NUL that is measured too. */
export function utf16WithNul(value: string): Buffer {
  return Buffer.from(`${value}\0`, "utf16le");
}
