import type { PackedSegments } from "@cvm-build/fs-writer";
import type { Rootfs, Stub } from "@cvm-build/rootfs";
import type { Inputs } from "../inputs.ts";
import type { LintReport } from "../lint/finding.ts";
import type { WrittenImage } from "../manifest.ts";
import type { Measurements } from "../measurements.ts";
import type { FileSystemFacts } from "./file-system.ts";

/** An image that is written and measured. */
export interface MadeImage {
  rootfs: Rootfs;
  stub?: Stub;
  /** What its initrd was packed of; no segments where it has none. */
  packed: PackedSegments;
  written: WrittenImage;
  /** Paths of packages that a format has no place for. */
  leftOut?: string[];
  /** The file system that is verified block by block, where the image has one. */
  fileSystem?: FileSystemFacts;
  artifacts: Inputs["artifacts"];
  measurements: Measurements;
  lint?: LintReport;
}
