import {
  type ByteSource,
  FormatError,
  HASH_ALGORITHMS,
  type HashAlgorithm,
  type Sha256Hex,
  sourceSha256,
} from "@cvm-build/bytes";
import { verifyPe } from "./authenticode/verify.ts";
import { oneLineName } from "./cms/name.ts";
import { type InspectedSection, inspectSections } from "./inspect-section.ts";
import { readZbootPayload } from "./kernel/zboot.ts";
import { ARM64_IMAGE_MAGIC } from "./kernel/format.ts";
import { isX86Kernel } from "./kernel/release.ts";
import { machineOf } from "./machine.ts";
import { authenticodeDigests } from "./pe/authenticode.ts";
import { SECURITY_DIRECTORY } from "./pe/format.ts";
import { readSbat } from "./sbat.ts";
import type { SectionName } from "./sections.ts";
import { findLoaderInfo } from "./stub.ts";
import { readUki, type Uki, type UkiSections } from "./uki.ts";

/**
 * What an image is: a UKI; an add-on; a profile to be joined to a UKI; the start of a UKI or of an add-on without
 * anything added; a kernel; any other EFI program.
 */
export type ImageKind = "uki" | "addon" | "profile" | "stub" | "kernel" | "efi";

/** What `cvm-build inspect` shows of an image. Plain data, fit for JSON. */
export interface UkiInspection {
  kind: ImageKind;
  /** What it runs on: `x86-64`, `aarch64`, … */
  machine: string;
  sizeBytes: number;
  sha256: Sha256Hex;
  /** Undefined where the image holds no systemd-stub. */
  stubVersion?: string;
  /** Those before the first `.profile`; also those of a name that an earlier one has. */
  sections: InspectedSection[];
  /** What can be chosen when it boots; left out where there is nothing to choose. */
  profiles?: InspectedProfile[];
  /** Texts of the base image, trailing NULs stripped. */
  cmdline?: string;
  osrel?: string;
  uname?: string;
  sbat?: string;
  /** Authenticode digest by algorithm, lower-case hex: what firmware measures and what signatures sign. */
  authenticode: Record<HashAlgorithm, string>;
  /** In the order in which they stand; left out where there is none. */
  signatures?: InspectedSignature[];
}

/** A signature of an image. Whom to trust is not asked here: `verifyPe` says. */
export interface InspectedSignature {
  /** The signer's, on one line. */
  subject?: string;
  /** Such as `RSA-2048`. */
  key?: string;
  hash?: string;
  /** The image's Authenticode digest as the signature has it, lower-case hex. */
  digest?: string;
  /** Why it is no signature of this image, or cannot be read; absent where it is one. */
  problem?: string;
}

/** One profile of a multi-profile UKI. */
export interface InspectedProfile {
  /** `ID=` and `TITLE=` of its `.profile`. */
  id?: string;
  title?: string;
  /** Its own command line, where it has one. */
  cmdline?: string;
  sections: InspectedSection[];
}

/** Text sections larger than this are not shown. */
const MAX_TEXT_BYTES = 1 << 20;
/** What systemd-stub takes from an add-on; one without any is not an add-on. */
const ADDED: readonly SectionName[] = [".cmdline", ".dtb", ".dtbauto", ".initrd", ".ucode"];

/**
 * Says what is in a UKI, or in one of its relatives.
 * @throws FormatError where the file is no PE image
 */
export function inspectUki(source: ByteSource): UkiInspection {
  const uki = readUki(source);
  const [base = [], ...profiles] = uki.listed;
  return {
    kind: kindOf(uki),
    machine: machineOf(uki.pe),
    sizeBytes: source.sizeBytes,
    sha256: sourceSha256(source),
    sections: inspectSections(base),
    ...present({
      stubVersion: uki.stubVersion?.text,
      profiles:
        profiles.length === 0
          ? undefined
          : profiles.map((sections, index) => ({
              ...describeProfile(uki.profiles[index] ?? new Map()),
              sections: inspectSections(sections),
            })),
      cmdline: textOf(uki.base, ".cmdline"),
      osrel: textOf(uki.base, ".osrel"),
      uname: textOf(uki.base, ".uname"),
      sbat: readSbat(uki.pe),
      signatures: inspectSignatures(uki),
    }),
    authenticode: authenticodeDigests(source, HASH_ALGORITHMS),
  };
}

function inspectSignatures({ pe }: Uki): InspectedSignature[] | undefined {
  if (!pe.directories[SECURITY_DIRECTORY]?.sizeBytes) return undefined;
  try {
    return verifyPe(pe.source, { trusted: [] }).signatures.map(({ certificate, key, hash, digest, problem }) =>
      present({ subject: certificate && oneLineName(certificate.subject), key, hash, digest, problem }),
    );
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return [{ problem: error.message }];
  }
}

function kindOf({ pe, base, profiles }: Uki): ImageKind {
  const groups = [base, ...profiles];
  if (groups.some((sections) => sections.has(".linux"))) return "uki";
  const program = findLoaderInfo(pe)?.program;
  if (profiles.length > 0) return "profile";
  if (program === "systemd-stub") return "stub";
  if (ADDED.some((name) => base.has(name))) return "addon";
  if (program === "systemd-addon") return "stub";
  return isKernel(pe.source) ? "kernel" : "efi";
}

function isKernel(source: ByteSource): boolean {
  const { offset, text } = ARM64_IMAGE_MAGIC;
  const isArm64 =
    source.sizeBytes >= offset + text.length && source.read(offset, text.length).toString("latin1") === text;
  return isArm64 || isX86Kernel(source) || readZbootPayload(source) !== undefined;
}

function describeProfile(sections: UkiSections): Omit<InspectedProfile, "sections"> {
  const text = textOf(sections, ".profile") ?? "";
  const value = (name: string): string | undefined => new RegExp(`^${name}=(["']?)(.*)\\1\\s*$`, "m").exec(text)?.[2];
  return present({ id: value("ID"), title: value("TITLE"), cmdline: textOf(sections, ".cmdline") });
}

function textOf(sections: UkiSections, name: SectionName): string | undefined {
  const content = sections.get(name)?.content;
  if (!content || content.sizeBytes > MAX_TEXT_BYTES) return undefined;
  return content.read(0, content.sizeBytes).toString("utf8").replace(/\0+$/, "");
}

function present<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
