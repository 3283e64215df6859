import type { OutputFormat, OutputSettings, Profile } from "@cvm-build/profile";

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
interface Layout {
  /**
   * What follows the image's id in the name of the image's file: the one whose digest `measurements.json`, releases and bills
   * of materials mean. Other files of an image are among its outputs.
   */
  suffix(output: OutputSettings): string;
  /** The EFI stub that it is wrapped in; undefined of what no firmware starts. */
  stub: "linux" | "addon" | undefined;
  /** Undefined of what is not booted by itself; then there are no registers, and nothing for lint to say. */
  start: Start | undefined;
}

/** What the file's compression adds to its name. */
const COMPRESSED = { zstd: ".zst", gzip: ".gz", none: "" } as const satisfies Record<
  OutputSettings["compressOutput"],
  string
>;

/** What each format of images is, by the values of `Format=`. */
export const LAYOUTS = {
  uki: { suffix: () => ".efi", stub: "linux", start: "uki" },
  addon: { suffix: () => ".addon.efi", stub: "addon", start: undefined },
  cpio: { suffix: compressed(".cpio"), stub: undefined, start: undefined },
  directory: { suffix: () => ".mtree", stub: undefined, start: undefined },
  tar: { suffix: compressed(".tar"), stub: undefined, start: undefined },
  direct: { suffix: () => ".vmlinuz", stub: undefined, start: "kernel" },
  disk: { suffix: () => ".efi", stub: "linux", start: "disk" },
  initoverlay: { suffix: () => ".efi", stub: "linux", start: "uki" },
  pmem: { suffix: () => ".erofs", stub: undefined, start: "memory" },
  sysext: { suffix: () => ".raw", stub: undefined, start: undefined },
  confext: { suffix: () => ".raw", stub: undefined, start: undefined },
  portable: { suffix: () => ".raw", stub: undefined, start: undefined },
} as const satisfies Record<OutputFormat, Layout>;

/** The layout that a profile asks for. */
export function layoutOf({ output }: Pick<Profile, "output">): Layout {
  return LAYOUTS[output.format];
}

/** The name of the image's file in its output directory. */
export function imageFileName({ output }: Pick<Profile, "output">): string {
  return `${output.imageId}${LAYOUTS[output.format].suffix(output)}`;
}

function compressed(suffix: string): Layout["suffix"] {
  return ({ compressOutput }) => `${suffix}${COMPRESSED[compressOutput]}`;
}
