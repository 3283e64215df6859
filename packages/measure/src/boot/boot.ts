import type { ByteSource, HashAlgorithm } from "@cvm-build/bytes";
import type { SectionName } from "@cvm-build/uki";
import type { EspFile } from "../companions.ts";
import type { DigestMemo } from "../digest-memo.ts";
import type { EventSource } from "../event.ts";
import type { SecureBootVariables } from "../secure-boot-variables.ts";

/** What firmware starts, and from where. */
export type BootPath = EspPath | SystemdBootPath | KernelUkiPath | KernelPath | GrubPath;

/** A UKI and what is told to it. */
export interface UkiStart {
  uki: ByteSource;
  /**
   * The command line that whoever starts the UKI passes to it; `@N` in front chooses a profile. A stub uses it in place of
   * the UKI's own unless Secure Boot forbids it.
   */
  commandLine?: string;
}

/** Firmware starts a UKI from an EFI system partition. */
export interface EspPath extends UkiStart {
  kind: "esp";
  /** Where the UKI is on the partition. Default: `/EFI/BOOT/BOOTX64.EFI`. */
  ukiPath?: string;
  /** Other files of the partition: add-ons, credentials, extensions. */
  companions?: readonly EspFile[];
  /** What firmware starts in its place, and what then starts it. */
  shim?: ShimStart;
}

/** Firmware starts systemd-boot from an EFI system partition, and systemd-boot a UKI. */
export interface SystemdBootPath extends UkiStart {
  kind: "systemd-boot";
  /** systemd-boot itself. */
  loader: ByteSource;
  /** Default: `/EFI/BOOT/BOOTX64.EFI`. */
  loaderPath?: string;
  /** Where the UKI that is chosen is on the partition. */
  ukiPath: string;
  /** Other files of the partition: `/loader/loader.conf`, add-ons, credentials, extensions. */
  companions?: readonly EspFile[];
  /** What firmware starts in its place, and what then starts it. */
  shim?: ShimStart;
}

/** QEMU hands a UKI to firmware: `-kernel`, with `commandLine` for `-append`. */
export interface KernelUkiPath extends UkiStart {
  kind: "kernel-uki";
}

/** QEMU hands a kernel to firmware: `-kernel`, `-append`, `-initrd`. */
export interface KernelPath {
  kind: "kernel-bzimage";
  kernel: ByteSource;
  initrd?: ByteSource;
  commandLine?: string;
}

/** Firmware starts GRUB, or shim and shim GRUB, and GRUB a kernel. */
export interface GrubPath {
  kind: "grub";
  shim?: ShimStart;
  loader: ByteSource;
  /** Default: `/EFI/BOOT/BOOTX64.EFI`. */
  loaderPath?: string;
  /** The `grub.cfg` that it reads. */
  configuration: EspFile;
  /** The kernel and the initrd, with the paths by which the configuration names them. */
  kernel: EspFile;
  initrd?: EspFile;
}

/** shim, which firmware starts in place of what it then starts itself. */
export interface ShimStart {
  image: ByteSource;
  /** Default: `/EFI/BOOT/BOOTX64.EFI`. */
  path?: string;
  /** What it measures of its state, as it mirrors it to the operating system; those that this shim does not know are not given. */
  variables: { MokList: Uint8Array; MokListX: Uint8Array; SbatLevel: Uint8Array; MokListTrusted?: Uint8Array };
  /** What let the image start that shim starts, where Secure Boot is on: a variable and its entry. */
  authority?: { name: string; vendor?: string; data: Uint8Array };
}

/** What is known of a build of OVMF. */
export interface FirmwareFacts {
  /** As distributions write it: `2025.02-8+deb13u1`. */
  release?: string;
  /** Whether it offers random numbers, from the processor or a device. */
  hasRandom?: boolean;
}

/** What is known of the machine: QEMU's q35. */
export interface MachineFacts {
  memoryBytes?: number;
  cpus?: number;
  qemuVersion?: string;
  /** What protects the guest from its host. Default: `plain`, nothing. */
  guest?: "plain" | "tdx" | "sev";
  /** Whether a device brings code for firmware, as network and graphics cards do unless told not to. */
  hasOptionRoms?: boolean;
  /** Strings of SMBIOS type 11. */
  smbiosStrings?: readonly string[];
}

/** What is known of the disk that firmware boots from. */
export interface DiskFacts {
  /** Its first sectors, up to the end of the partition table; or that it has no GUID partition table. */
  gpt?: Uint8Array | "none";
  /** Whether the machine cannot write to it. */
  isReadOnly?: boolean;
}

/** What systemd, of 261 and later, extends. Default: nothing. */
export interface UserspaceFacts {
  /** Whether the initrd draws a line in most registers: systemd-pcrosseparator.service. */
  hasOsSeparator?: boolean;
  /** Whether registers are made in the TPM's memory, with secrets that PCR 9 vouches for: systemd-tpm2-setup.service. */
  hasNvPcrs?: boolean;
}

/** A boot, as far as registers depend on it. What is not given is not known, and registers that need it have no value. */
export interface Boot {
  path: BootPath;
  banks: readonly HashAlgorithm[];
  /** Boot phases that userspace reaches, in order; empty where the initrd has no systemd. */
  phases: readonly string[];
  /** What userspace extends beside phases. */
  userspace?: UserspaceFacts;
  /** What firmware's Secure Boot variables hold; `false` where it is off and they are not known. */
  secureBoot: false | { variables: SecureBootVariables };
  firmware?: FirmwareFacts;
  machine?: MachineFacts;
  disk?: DiskFacts;
  /** How many boot options firmware tries in vain before. Default: none. */
  failedBootOptions?: number;
  /** Where the bytes of sections came from, beyond the section: file, package, setting. */
  sources?: Partial<Record<SectionName, EventSource>>;
  /** How many threads may hash. Default: 1. */
  threads?: number;
  /** Digests of the same UKI, or of the same initrd where there is no UKI, that boots before this one have left. */
  memo?: DigestMemo;
}
