import type { Profile } from "@cvm-build/profile";

/** What follows an image's id in the name of a disk's file. */
export const DISK_SUFFIXES = {
  raw: ".raw",
  qcow2: ".qcow2",
  vhd: ".vhd",
  gcp: ".tar.gz",
} as const satisfies Record<Profile["output"]["diskFormats"][number], string>;

/** What follows it in the name of the file with the disk's first sectors. */
export const TABLE_SUFFIX = ".gpt";
