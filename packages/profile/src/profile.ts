import type { OutputFormat } from "./output-format.ts";
import type { SourcePosition } from "./position.ts";
import type { ServiceDeclaration } from "./service.ts";

/** The image that a stack of profiles describes, every default filled in. */
export interface Profile {
  /** The names given with `--profile`, in order. */
  names: string[];
  distribution: DistributionSettings;
  output: OutputSettings;
  content: ContentSettings;
  uki: UkiSettings;
  validation: ValidationSettings;
  measure: MeasureSettings;
  storage: StorageSettings;
  disk: DiskSettings;
  initOverlay: InitOverlaySettings;
  pmem: PmemSettings;
  extension: ExtensionSettings;
  /** Profiles of a multi-profile UKI beside the image's own, in order. */
  ukiProfiles: UkiProfile[];
  /** Sorted by name. */
  services: ServiceDeclaration[];
  /** Sorted by name. */
  artifacts: ArtifactDeclaration[];
}

/** `[Distribution]`: where packages come from. */
export interface DistributionSettings {
  distribution: "debian";
  release: string;
  /** mkosi's name, as written: x86-64 or arm64. */
  architecture: "x86-64" | "arm64";
  /** `Mirror=`, the main archive's address. */
  mirror?: string;
  /** `SecurityMirror=` (ours). */
  securityMirror?: string;
  /** `Snapshot=`, such as 20260528T084923Z. */
  snapshot?: string;
  /** Components: main, contrib, non-free-firmware … */
  repositories: string[];
}

/** `[Output]`: what the image is called and how it is written. */
export interface OutputSettings {
  format: OutputFormat;
  imageId: string;
  imageVersion: string;
  /** Absolute. `build/` below the working directory unless set. */
  outputDirectory: string;
  compressOutput: "zstd" | "gzip" | "none";
  compressLevel: number;
  /** A UUID: where identifiers that look random come from. */
  seed: string;
  /** `DiskFormat=` (ours): each is a file. */
  diskFormats: ("raw" | "qcow2" | "vhd" | "gcp")[];
  /** `Notice=` (ours): sentences that the summary, the manifest and the last lines on screen repeat. */
  notices: string[];
}

/** `[Content]` and `[Services]`: what is in the image. */
export interface ContentSettings {
  /** Sorted, without duplicates. `name`, `name=version`, a virtual name, or a path to a .deb. */
  packages: string[];
  packageDirectories: string[];
  /** `WithEssential=` (ours): whether the Essential set is added. */
  withEssential: boolean;
  withRecommends: boolean;
  withDocs: boolean;
  /** Package names or globs whose files are left out of the tree although they were resolved. */
  removePackages: string[];
  extraTrees: { source: string; target: string }[];
  /** Globs, in order. */
  removeFiles: string[];
  /** Ordered patterns as mkosi has them: `-` excludes, the last match wins. Empty keeps all. */
  kernelModules: string[];
  /** Of the small initrd that mounts the image: packages, and modules as in `kernelModules`. */
  initrdPackages: string[];
  kernelInitrdModules: string[];
  /** `MergeExtensions=` (ours): which of the extensions beside its UKI the running system merges. */
  mergeExtensions: "no" | "signed" | "measured";
  kernelCommandLine: string[];
  /** `UsrMerge` and other finishers need no setting. */
  hostname?: string;
  timezone?: string;
  locale?: string;
  /** 32 hex digits, or undefined: made at boot. */
  machineId?: string;
  /** A crypt(3) hash; undefined locks the account. */
  rootPasswordHash?: string;
  rootShell?: string;
  autologin: boolean;
  /** systemd units to enable or mask beside the presets, in order (ours, `[Services]`). */
  enableUnits: string[];
  maskUnits: string[];
  /** Unit that the system boots to (ours, `DefaultTarget=`). */
  defaultTarget: string;
  /** Seconds since 1970. */
  sourceDateEpochSec: number;
  environment: Record<string, string>;
}

/** `[UKI]`: what the kernel is wrapped in. */
export interface UkiSettings {
  /** `StubPackage=` (ours), `systemd-boot-efi` unless set. */
  stubPackage: string;
  /** `StubRelease=` (ours): the release that the stub comes from, where not the image's own. */
  stubRelease?: string;
  /** `Splash=`: path of a BMP image. */
  splash?: string;
  /** `Sections=` (ours): sections from files, beside those that a build makes itself. */
  sections: { name: string; path: string }[];
  /** `Companions=` (ours): files that stand beside the UKI on the ESP. */
  companions: Companion[];
}

/** `[UKIProfile]`: another way to boot the same UKI. */
export interface UkiProfile {
  /** Lines of `.profile`, such as `ID=rescue`. */
  fields: string[];
  /** Added to the image's own. */
  kernelCommandLine: string[];
  /** Whether its PCR 11 is signed too, where that of the image is. */
  signExpectedPcr: boolean;
}

/** A file that systemd-stub picks up: an add-on, a credential, a system or configuration extension. */
export interface Companion {
  /** Absolute. */
  path: string;
  /** For this UKI alone, or for every UKI on the ESP. */
  scope: "uki" | "global";
}

/** `[Validation]`: what is signed, and by whom. Keys are references, and never themselves part of a profile. */
export interface ValidationSettings {
  secureBoot: boolean;
  /** A key's absolute path, or a reference such as `pkcs11:token=…`. */
  secureBootKey?: string;
  /** Absolute path of a certificate, with its chain, or a reference. */
  secureBootCertificate?: string;
  signExpectedPcr: boolean;
  /** Each signs every policy; the first is the one that the image carries. */
  signExpectedPcrKeys: string[];
  /** `auto` signs root hashes where there is a key. */
  verity: "auto" | "signed" | "hash" | "none";
  /** A key's absolute path, or a reference. */
  verityKey?: string;
  verityCertificate?: string;
}

/** `[Measure]`: which registers are predicted. */
export interface MeasureSettings {
  banks: ("sha1" | "sha256" | "sha384" | "sha512")[];
  /** `Platforms=` (ours): names of what registers are predicted for; the default where empty. */
  platforms: string[];
  /** `Phases=` (ours): the phase path that the boot reaches, such as `sysinit:ready`; derived from the image where unset. */
  phases?: string[];
  /** `SecureBootVariables=` (ours): path of a variable store of OVMF's; Secure Boot is off without. */
  secureBootVariables?: string;
}

/** `[Storage]` (ours): the encrypted disk for data. */
export interface StorageSettings {
  /** There is none where undefined. */
  dataDisk?: DataDisk;
  /** Absolute, without a final slash. */
  mountPoint: string;
  /** `tpm2`: sealed by the TPM to the signed policy for PCR 11. `runtime`: brought by a program of the image. */
  key: "tpm2" | "runtime";
  keyTimeoutSec: number;
  /** Whether sectors are authenticated. */
  integrity: boolean;
  missingDisk: "fail" | "memory";
  diskTimeoutSec: number;
}

/** What a disk is known by, to the machine, to LUKS or, of a partition, to its disk's table. */
export interface DataDisk {
  by: "serial" | "label" | "lun" | "partlabel" | "partuuid";
  name: string;
}

/** `[Disk]` (ours): how a tree becomes a file system, and what else is on its disk. */
export interface DiskSettings {
  tree: "root" | "usr";
  compression: "none" | "lz4" | "lz4hc" | "zstd";
  /** The compressor's own where undefined. */
  compressionLevel?: number;
  /** Only where compressed. */
  clusterSizeBytes?: number;
  /** Only where not compressed. */
  chunkSizeBytes?: number;
  verityAlgorithm: "sha256" | "sha512";
  /** What fits where undefined. */
  espSizeBytes?: number;
  /** There is none where undefined; else `storage.dataDisk` says what it is called. */
  dataPartitionBytes?: number;
}

/** `[InitOverlay]` (ours): how the erofs reaches the initrd that mounts it. */
export interface InitOverlaySettings {
  carrier: "initrd" | "esp" | "partition";
  loadIntoRam: boolean;
}

/** `[Pmem]` (ours). */
export interface PmemSettings {
  /** A physical address; computed where undefined. */
  addressBytes?: number;
}

/** `[Extension]` (ours): what an extension says of the systems that it is for. */
export interface ExtensionSettings {
  /** Name of the profile whose packages are left out. */
  base?: string;
  /** `_any` for every system. */
  id: string;
  versionId?: string;
  level?: string;
  /** systemd's own where empty. */
  scope: ("system" | "initrd" | "portable")[];
}

/** An input that is not a package of the distribution: `artifacts/<name>.yaml`. */
export interface ArtifactDeclaration {
  name: string;
  position: SourcePosition;
  source:
    | { kind: "path"; path: string }
    | { kind: "https"; url: string; sha256: string }
    /** `integrity` is npm's own: `sha512-<base64>`. */
    | { kind: "npm"; package: string; version: string; integrity: string }
    | { kind: "deb"; url: string; sha256: string };
  /** What goes where in the image; for a `deb`, empty: all of it is unpacked. For an archive, `from` is a path inside it. */
  files: { from?: string; to: string; mode: number }[];
  description?: string;
}
