import type { RegisterName } from "@cvm-build/measure";
import type { ExportFormatName } from "./export-formats.ts";
import type { EncodedFile, ExportDetails } from "./reference-values.ts";

/** What `exportMeasurements` is asked for. */
export interface ExportRequest extends ExportDetails {
  formats: readonly ExportFormatName[];
  /** Platforms by name; all where none is named. */
  platforms?: readonly string[];
  /** Registers that a verifier is to compare, in place of the format's own choice: `pcr4`, `mrtd`, `rtmr1`, `launchDigest`. */
  pin?: readonly string[];
  /** Registers that are left to the host, although they would be pinned. */
  float?: readonly string[];
}

/** One file of an export, and of which format it is. */
export interface ExportedFile extends EncodedFile {
  format: ExportFormatName;
}

/** What was written of one format, and what it says of each platform. */
export interface ExportReport {
  files: ExportedFile[];
  pinned: { format: ExportFormatName; platform: string; registers: RegisterName[] }[];
  /** What a verifier does not get to compare: registers, or whole platforms. */
  left: { format: ExportFormatName; platform: string; register?: RegisterName; reason: string }[];
}
