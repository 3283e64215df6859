import type { HashAlgorithm } from "@cvm-build/bytes";
import type { MeasuredEvent } from "./event.ts";
import type { Registers } from "./registers.ts";

/** A register that is not predicted, and why. */
export interface Unpredicted {
  /** `pcr9`. */
  register: string;
  reason: string;
}

/** An image that firmware with Secure Boot does not start, and why. */
export interface Refusal {
  path: string;
  reason: string;
}

/** What the registers of a machine will hold: an event log, its replay, and what is left open. */
export interface Prediction {
  /** In the order in which they are measured. */
  events: MeasuredEvent[];
  /** At the end of the boot, with all phases reached. */
  registers: Registers;
  /** PCR 11 after each phase path; `""` is before any phase. */
  phases: Partial<Record<HashAlgorithm, Record<string, string>>>;
  unpredicted: Unpredicted[];
  /** Add-ons that firmware does not start, and which then have no effect. */
  refused: Refusal[];
}

/** `value` as the firmware's UTF-16, with the terminating NUL that is measured too. */
export function utf16WithNul(value: string): Buffer {
  return Buffer.from(`${value}\0`, "utf16le");
}
