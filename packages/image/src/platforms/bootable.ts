import { type ByteSource, type HashAlgorithm, type Sha256Hex, sourceSha256 } from "@cvm-build/bytes";
import type { Boot, EspFile, KeptDigests, UserspaceFacts } from "@cvm-build/measure";
import type { Memo } from "./memo.ts";

/** A finished image, and what is known of the system in it. */
export interface Bootable {
  /** A UKI; a kernel where the platform boots kernels. */
  image: ByteSource;
  /** Of a kernel. */
  initrd?: ByteSource;
  /** What whoever starts the image passes to it. */
  commandLine?: string;
  /** Add-ons, credentials and extensions beside a UKI. */
  companions: readonly EspFile[];
  /** Boot phases that userspace reaches, in order. */
  phases: readonly string[];
  /** What it extends beside. */
  userspace?: UserspaceFacts;
  /** First sectors of the disk that it is on, for platforms that name no disk. */
  partitionTable?: Buffer;
  banks: readonly HashAlgorithm[];
  sources?: NonNullable<Boot["sources"]>;
  /** What was found out of these files. */
  memo: Memo;
  /** What is known of kernels and initrds from before. For foresight alone. */
  kept?: KeptDigests;
}

/** Taken once, whoever asks for it. */
export function imageSha256({ image, memo }: Bootable): Sha256Hex {
  return memo.once("SHA-256 of the image", () => sourceSha256(image));
}
