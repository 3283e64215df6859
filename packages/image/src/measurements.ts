import type { HashAlgorithm, Sha256Hex } from "@cvm-build/bytes";
import type {
  Alternative,
  EventContent,
  EventSource,
  RegisterName,
  RegisterValues,
  TdOwnerValues,
  Unmeasured,
} from "@cvm-build/measure";

/** `measurements.json`: what an image's registers will be, and the events that make them. */
export interface Measurements {
  schema: "cvm-build.measurements/1";
  image: {
    id: string;
    version: string;
    /** Name of the image's file, where it is not the id with `.efi`. */
    file?: string;
    sha256: Sha256Hex;
  };
  platforms: PlatformMeasurements[];
}

/** The registers of an image on one platform. */
export interface PlatformMeasurements {
  name: string;
  /** At the end of the boot that the profile describes. */
  registers: RegisterValues;
  /** PCR 11 after each phase path, by bank. */
  phases: Partial<Record<HashAlgorithm, Record<string, string>>>;
  unpredicted: { register: string; reason: string }[];
  /** Registers that have one of a few values, and what decides which. */
  alternatives?: Alternative[];
  /** Add-ons that Secure Boot does not let start, and which then have no effect. */
  refused: { path: string; reason: string }[];
  /** What whoever starts the TD has its quotes repeat; absent where the platform says nothing of it. */
  owner?: TdOwnerValues;
  /** Images that take part in the boot and leave no trace in a register. */
  unmeasured?: Unmeasured[];
  events: PublishedEvent[];
}

/** One event as it is published: its register by name. */
export interface PublishedEvent {
  register: RegisterName;
  type?: string;
  label: string;
  digests: Partial<Record<HashAlgorithm, string>>;
  source: EventSource;
  /** What was measured: how many bytes, and which where they are few and no part of a file. */
  content?: EventContent;
}
