import { assert, type HashAlgorithm } from "@cvm-build/bytes";

declare const brand: unique symbol;
/** Index of a TPM platform configuration register, 0..23. */
export type PcrIndex = number & { readonly [brand]: "PcrIndex" };

/** A register by its published name: a TPM's PCR, what TDX calls MRTD and RTMR, or the launch digest of SEV. */
export type RegisterName = `pcr${number}` | "mrtd" | `rtmr${number}` | "launchDigest";

/** A number as a PCR index. */
export function pcrIndex(index: number): PcrIndex {
  assert(Number.isInteger(index) && index >= 0 && index <= 23, `expected a PCR index 0..23, got ${index}`);
  return index as PcrIndex;
}

/** The published name of a PCR. */
export function pcrName(index: number): RegisterName {
  return `pcr${pcrIndex(index)}`;
}

/** The index of a PCR by its published name, or undefined for another register. */
export function pcrOf(register: string): PcrIndex | undefined {
  const digits = /^pcr(1?\d|2[0-3])$/.exec(register)?.[1];
  return digits === undefined ? undefined : pcrIndex(Number(digits));
}

/** Where the bytes of an event came from, as exactly as is known. */
export interface EventSource {
  /** Section of the UKI. */
  section?: string;
  /** File on the ESP or in the image. */
  file?: string;
  package?: string;
  setting?: string;
  /** A constant of the firmware, the stub or systemd, by name. */
  constant?: string;
}

/** What an event measures: its size, and the bytes themselves where they are few and no part of a file. */
export interface EventContent {
  sizeBytes: number;
  /** Lower-case hex. */
  hex?: string;
}

/** One extension of one register: what is hashed, its digest in each bank, and where it came from. */
export interface MeasuredEvent {
  register: RegisterName;
  /** Event type by its specification's name, such as EV_IPL; undefined for what userspace extends without a firmware log. */
  type: string | undefined;
  /** What a person calls it: `.linux`, `enter-initrd`, `initrd`. */
  label: string;
  /** Lower-case hex digest for each bank. */
  digests: Partial<Record<HashAlgorithm, string>>;
  source: EventSource;
  content?: EventContent;
}
