/** Codes of the `CvmError`s that this package throws beside `FormatError`. */
export type RootfsErrorCode =
  /** A package or archive that is damaged, or not the locked one. */
  | "package"
  /** Two packages that hold the same path. */
  | "conflict"
  /** An artefact that does not hold what the profile picks from it. */
  | "artifact"
  /** An extra tree that is missing, or holds what an image cannot. */
  | "extra-tree"
  /** More than one kernel. */
  | "kernel"
  /** Kernel modules that are asked for and missing, or cannot be read. */
  | "kernel-modules"
  /** A tree that cannot be a system extension, a configuration extension or a portable service. */
  | "extension"
  /** A kernel that cannot do what the image needs. */
  | "kernel-config"
  /** A setting of the profile that this image cannot have. */
  | "setting"
  /** Account files that cannot be read, names that cannot be made, no free ids. */
  | "accounts"
  /** A service that this image cannot run. */
  | "service"
  /** Certificates that cannot be read. */
  | "ca-certificates"
  /** An initrd that would not boot: a file that it needs is in no package, or a library. */
  | "initrd"
  /** Libraries that cannot be indexed. */
  | "linker-cache"
  /** A path of the tree that is not what a finisher needs. */
  | "tree";
