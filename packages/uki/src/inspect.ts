import { createHash } from "node:crypto";
import {
  type ByteSource,
  borrowedChunksOf,
  finishSha256,
  HASH_ALGORITHMS,
  type HashAlgorithm,
  type Sha256Hex,
} from "@cvm-build/bytes";
import { authenticodeDigests } from "./pe/authenticode.ts";
import { SECURITY_DIRECTORY } from "./pe/format.ts";
import { readSbat } from "./sbat.ts";
import { type SectionName, SECTION_NAMES } from "./sections.ts";
import { readUki, type UkiSections } from "./uki.ts";

/** What `cvm-build inspect` shows of an image. Plain data, fit for JSON. */
export interface UkiInspection {
  sizeBytes: number;
  sha256: Sha256Hex;
  /** Undefined where the image holds no systemd-stub. */
  stubVersion?: string;
  sections: InspectedSection[];
  /** One list for each `.profile`; left out where there is none. */
  profiles?: InspectedSection[][];
  /** Texts of the base image, trailing NULs stripped. */
  cmdline?: string;
  osrel?: string;
  uname?: string;
  sbat?: string;
  /** Authenticode digest by algorithm, lower-case hex: what firmware measures and what signatures sign. */
  authenticode: Record<HashAlgorithm, string>;
  signed: boolean;
}

/** One section of an inspected image. */
export interface InspectedSection {
  name: SectionName;
  offsetBytes: number;
  sizeBytes: number;
  sha256: Sha256Hex;
}

/** Text sections larger than this are not shown. */
const MAX_TEXT_BYTES = 1 << 20;

/**
 * Says what is in a UKI.
 * @throws FormatError where the file is no PE image
 */
export function inspectUki(source: ByteSource): UkiInspection {
  const uki = readUki(source);
  const text = (name: SectionName): string | undefined => {
    const content = uki.base.get(name)?.content;
    if (!content || content.sizeBytes > MAX_TEXT_BYTES) return undefined;
    return content.read(0, content.sizeBytes).toString("utf8").replace(/\0+$/, "");
  };
  const optional = {
    stubVersion: uki.stubVersion?.text,
    profiles: uki.profiles.length > 0 ? uki.profiles.map(inspectSections) : undefined,
    cmdline: text(".cmdline"),
    osrel: text(".osrel"),
    uname: text(".uname"),
    sbat: readSbat(uki.pe),
  };
  return {
    sizeBytes: source.sizeBytes,
    sha256: hashSource(source),
    sections: inspectSections(uki.base),
    ...(Object.fromEntries(
      Object.entries(optional).filter(([, value]) => value !== undefined),
    ) as Partial<UkiInspection>),
    authenticode: authenticodeDigests(source, HASH_ALGORITHMS),
    signed: (uki.pe.directories[SECURITY_DIRECTORY]?.sizeBytes ?? 0) > 0,
  };
}

function inspectSections(sections: UkiSections): InspectedSection[] {
  return SECTION_NAMES.flatMap((name) => {
    const section = sections.get(name);
    if (!section) return [];
    const { offsetBytes, sizeBytes, content } = section;
    return [{ name, offsetBytes, sizeBytes, sha256: hashSource(content) }];
  });
}

function hashSource(source: ByteSource): Sha256Hex {
  const hash = createHash("sha256");
  for (const chunk of borrowedChunksOf(source)) hash.update(chunk);
  return finishSha256(hash);
}
