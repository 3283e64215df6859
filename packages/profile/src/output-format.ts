/** What can be built: the values of `Format=`, in the order of the reference. */
export const OUTPUT_FORMATS = [
  "uki",
  "addon",
  "cpio",
  "directory",
  "tar",
  "direct",
  "disk",
  "initoverlay",
  "pmem",
  "sysext",
  "confext",
  "portable",
] as const;

/** One of `OUTPUT_FORMATS`. */
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** What of a format the settings depend on. */
interface FormatTraits {
  /** Whether a machine boots it; else it is a tree, or adds to what a machine boots. */
  isBootable: boolean;
  /** Whether the distribution's Essential packages belong to it unless the profile says otherwise. */
  hasEssential: boolean;
}

/** Traits of each format. */
export const FORMAT_TRAITS = {
  uki: { isBootable: true, hasEssential: true },
  addon: { isBootable: false, hasEssential: false },
  cpio: { isBootable: false, hasEssential: true },
  directory: { isBootable: false, hasEssential: true },
  tar: { isBootable: false, hasEssential: true },
  direct: { isBootable: true, hasEssential: true },
  disk: { isBootable: true, hasEssential: true },
  initoverlay: { isBootable: true, hasEssential: true },
  pmem: { isBootable: true, hasEssential: true },
  sysext: { isBootable: false, hasEssential: false },
  confext: { isBootable: false, hasEssential: false },
  portable: { isBootable: false, hasEssential: true },
} as const satisfies Record<OutputFormat, FormatTraits>;

/** Formats whose image lies in a disk's partitions, or may. */
export const PARTITIONED_FORMATS = ["disk", "initoverlay"] as const satisfies readonly OutputFormat[];

/** Formats whose running system can have what systemd-stub finds beside the UKI. */
export const MERGING_FORMATS = ["uki", "disk"] as const satisfies readonly OutputFormat[];

/** Formats with an initrd of their own, which leads to the tree. */
export const INITRD_FORMATS = [...PARTITIONED_FORMATS, "pmem"] as const satisfies readonly OutputFormat[];

/** Formats that are disk images of one tree, for a running system to merge or attach. */
export const EXTENSION_FORMATS = ["sysext", "confext"] as const satisfies readonly OutputFormat[];

/** Formats with an erofs in them, and dm-verity data beside it. */
export const VERITY_FORMATS = [
  ...PARTITIONED_FORMATS,
  ...EXTENSION_FORMATS,
  "portable",
  "pmem",
] as const satisfies readonly OutputFormat[];
