import type { HashAlgorithm } from "@cvm-build/bytes";
import type { RegisterName } from "@cvm-build/measure";
import type { Signer } from "@cvm-build/uki";
import type { Measurements, PublishedEvent } from "../measurements.ts";
import type { PlatformTraits } from "./platform-traits.ts";

/** What formats hold beside registers. Nothing is taken from the clock: what bears a time is given. */
export interface ExportDetails {
  /** Who publishes: `class.vendor` and entity in CoRIM, producer in SCAI. */
  producer?: { name: string; uri?: string };
  /** How long a CoRIM holds, in seconds since 1970. */
  validity?: { notBeforeSec?: number; notAfterSec: number };
  /** Fields of a TD report that are no registers, as raw hex. */
  tdx?: TdxFields;
  /** What Constellation calls the image; by default `v` and the image's version, stream `stable` of ref `-`. */
  constellation?: { version?: string; ref?: string; stream?: string };
  /** Who is let use the key, as an ARN. */
  awsPrincipal?: string;
  /** go-tpm-tools: version ids of the firmware as raw hex, or the least version of Google's. */
  tpmFirmware?: { scrtmVersionIds?: readonly string[]; minimumGceVersion?: number };
  /** Signs the SCAI statement, which then is in an envelope, and ID blocks. */
  signer?: Signer;
  /** What ID blocks hold beside the launch digest, and who speaks for the key that signs them. */
  idBlock?: IdBlockFields;
}

/** Fields of an ID block. @see SEV-SNP Firmware ABI, 8.18, "Structure of the ID Block" */
export interface IdBlockFields {
  /** The guest's policy; 0x30000 unless given. */
  policy?: bigint;
  /** 16 bytes as hex. */
  familyId?: string;
  /** 16 bytes as hex. */
  imageId?: string;
  guestSvn?: number;
  authorKey?: Signer;
}

/** Fields of a TD report beside its registers, in the order and bytes of the report, as hex. */
export interface TdxFields {
  teeTcbSvn?: string;
  mrSeam?: string;
  tdAttributes?: string;
  xfam?: string;
  mrConfigId?: string;
  mrOwner?: string;
  mrOwnerConfig?: string;
}

/** One file of an export. */
export interface EncodedFile {
  /** Relative; two levels at most, with `/`. */
  fileName: string;
  bytes: Buffer;
}

/** One legal value of a register, in each bank that there is; registers that are no PCRs have one. */
export type RegisterValue = Partial<Record<HashAlgorithm, string>>;

/** A register with its legal values, of which there is one mostly. */
export interface PinnedRegister {
  name: RegisterName;
  values: readonly RegisterValue[];
}

/** What a verifier is to compare on one platform: all of these registers. */
export interface PinnedPlatform {
  name: string;
  traits: PlatformTraits;
  registers: readonly PinnedRegister[];
  events: readonly PublishedEvent[];
  /** What the TD's quotes repeat of what whoever starts it says. */
  owner?: Pick<TdxFields, "mrConfigId" | "mrOwner" | "mrOwnerConfig">;
  /** What starts without leaving a trace in a register of the TPM. */
  unmeasured: readonly { path: string; reason: string }[];
}

/** What a format's encoder gets. */
export interface ReferenceValues {
  /** The whole document. */
  measurements: Measurements;
  platforms: readonly PinnedPlatform[];
}

/** Writes the reference values of an image in one format. */
export type EncodeExport = (values: ReferenceValues, details: ExportDetails) => Promise<EncodedFile[]> | EncodedFile[];
