import type { PackedSegments } from "@cvm-build/fs-writer";
import type { OutputSettings } from "@cvm-build/profile";
import type { Rootfs, Stub } from "@cvm-build/rootfs";
import type { Inputs } from "../inputs.ts";
import type { LintReport } from "../lint/finding.ts";
import type { WrittenImage } from "../manifest.ts";
import type { Measurements } from "../measurements.ts";
import type { Build } from "../pipeline.ts";
import type { FileSystemFacts } from "./file-system.ts";

/** How a machine starts an image. */
export type Start =
  /** Firmware starts the UKI. */
  | "uki"
  /** A VMM hands kernel, initrd and command line to firmware: `-kernel` of QEMU. */
  | "kernel"
  /** Firmware starts the UKI on a disk, which has the rest. */
  | "disk"
  /** A boot loader puts the file system into memory. */
  | "memory";

/** What a format of images is: a row of `LAYOUTS`. */
export interface Layout {
  /**
   * What follows the image's id in the name of the image's file: the one whose digest `measurements.json`, releases and bills
   * of materials mean. Other files of an image are among its outputs.
   */
  suffix(output: OutputSettings): string;
  /** The EFI stub that it is wrapped in; undefined of what no firmware starts. */
  stub: "linux" | "addon" | undefined;
  /** Undefined of what is not booted by itself; then there are no registers, and nothing for lint to say. */
  start: Start | undefined;
  /**
   * Writes all files of an image but manifest, measurements and lock, and measures it.
   * @throws CvmError
   */
  make(build: Build, inputs: Inputs): Promise<MadeImage>;
}

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
