import type { VerityAlgorithm } from "@cvm-build/fs-writer";

/** What an image may be used as, by the names that systemd-dissect has for it in JSON. */
export interface Uses {
  useBootableUefi: boolean;
  useBootableContainer: boolean;
  useInitrd: boolean;
  usePortableService: boolean;
  useSystemExtension: boolean;
  useInitRDSystemExtension: boolean;
  usePortableSystemExtension: boolean;
  useConfigurationExtension: boolean;
  useInitRDConfigurationExtension: boolean;
  usePortableConfigurationExtension: boolean;
}

/** What the files of an operating system or an extension say of it: `NAME=value` lines, in order. */
export interface SystemFacts {
  hostname?: string;
  machineId?: string;
  machineInfo?: string[];
  osRelease?: string[];
  initrdRelease?: string[];
  sysextRelease?: string[];
  confextRelease?: string[];
}

/** A file system or partition with a purpose: a row of systemd-dissect's table, by the names that it has in JSON. */
export interface Mount {
  rw: "rw" | "ro";
  designator: string;
  partition_uuid: string | null;
  partition_label: string | null;
  fstype: string | null;
  architecture: string | null;
  verity: "yes" | "no" | "signed" | "external" | null;
  growfs: boolean;
  partno: number | null;
}

/** A partition, and what is in it. */
export interface InspectedPartition {
  /** From 1, as Linux counts. */
  partno: number;
  /** The type's name, or its UUID where it has none. */
  type: string;
  typeUuid: string;
  uuid: string;
  label: string;
  offsetBytes: number;
  sizeBytes: number;
  flags: string[];
  contents: PartContents;
}

/** What is in a partition, or in a file that is no disk. */
export interface PartContents {
  /** By the name that `FORMATS` has for it. */
  format: string;
  /** By the name that blkid has for it. */
  fstype?: string;
  uuid?: string;
  label?: string;
  /** What else its format says of it, in the order in which it is shown. */
  facts: Record<string, string | number | boolean | string[]>;
  verity?: VerityFacts;
  signature?: SignatureFacts;
  /** Why it could not be read as what it begins as. */
  problem?: string;
}

/** A hash device. */
export interface VerityFacts {
  /** Computed from the uppermost block of the hash tree; absent where that is the data's only one, which is elsewhere. */
  rootHash?: string;
  formatVersion: 0 | 1;
  algorithm: VerityAlgorithm;
  salt: string;
  uuid: string;
  dataBlocks: number;
  dataBlockBytes: number;
  hashBlockBytes: number;
  /** Left out unless it was asked for: `verified`, or what does not match. */
  verification?: string;
}

/** A signature of a root hash. */
export interface SignatureFacts {
  /** Absent where it is elsewhere. */
  rootHash?: string;
  certificateFingerprint?: string;
  /** The signer, as far as the signature says. */
  signer?: string;
  problem?: string;
}

/** A program of firmware. */
export interface InspectedProgram {
  path: string;
  kind: "uki" | "efi";
  /** Of the system that a UKI starts. */
  name?: string;
  commandLine?: string;
  /** Why it is no such program. */
  problem?: string;
}

/** What `cvm-build inspect` says of an image that is no PE file. The names of systemd-dissect mean what they mean there. */
export interface Dissection extends Partial<Uses>, SystemFacts {
  format: string;
  name: string;
  /** Of the image, without what it was packed in. */
  sizeBytes: number;
  /** What was taken off to get at it, outermost first: `gzip`, `qcow2`. */
  layers: string[];
  architecture?: string;
  sectorSize?: number;
  imageName?: string;
  imageUuid?: string;
  /** `IMAGE_ID=` and `IMAGE_VERSION=`. */
  imageId?: string;
  imageVersion?: string;
  mounts?: Mount[];
  partitions?: InspectedPartition[];
  /** On the EFI system partition and the extended boot partition. */
  programs?: InspectedProgram[];
  contents?: PartContents;
  /** What is wrong and could be read all the same, in words. */
  problems: string[];
}
