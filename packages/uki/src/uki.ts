import type { ByteSource } from "@cvm-build/bytes";
import { sectionContent } from "./content.ts";
import { type PeImage, readPe } from "./pe/reader.ts";
import { isSectionName, type SectionName } from "./sections.ts";
import { findStubVersion, type StubVersion } from "./stub.ts";

/** A section as the stub sees it. */
export interface UkiSection {
  name: SectionName;
  sizeBytes: number;
  content: ByteSource;
  /** Where its bytes stand in the file. */
  offsetBytes: number;
  /** How many of its bytes stand in the file; the rest are zeros. */
  storedBytes: number;
}

/** The sections of a UKI by name. */
export type UkiSections = ReadonlyMap<SectionName, UkiSection>;

/** A unified kernel image, or one of its relatives (stub, add-on), read. */
export interface Uki {
  pe: PeImage;
  /** Undefined where the image was made without systemd-stub. */
  stubVersion: StubVersion | undefined;
  /** Sections before the first `.profile`. */
  base: UkiSections;
  /** What each `.profile` starts, in order; empty where the image has none. */
  profiles: UkiSections[];
}

/**
 * Reads a UKI's sections as systemd-stub does: `VirtualSize` bytes each, the first of a name counts, empty ones are
 * absent, each `.profile` begins a profile that overrides the base.
 * @throws FormatError where the file is no PE image
 * @see UAPI Unified Kernel Image, "UKI Components" and "Multi-Profile UKIs"
 */
export function readUki(source: ByteSource): Uki {
  const pe = readPe(source);
  const groups: Map<SectionName, UkiSection>[] = [new Map()];
  for (const header of pe.sections) {
    const { name } = header;
    if (!isSectionName(name) || header.virtualSizeBytes === 0) continue;
    if (name === ".profile") groups.push(new Map());
    const group = groups.at(-1);
    if (!group || group.has(name)) continue;
    group.set(name, {
      name,
      sizeBytes: header.virtualSizeBytes,
      content: sectionContent(source, header),
      offsetBytes: header.pointerToRawData,
      storedBytes: Math.min(header.virtualSizeBytes, header.sizeOfRawData),
    });
  }
  const [base = new Map(), ...profiles] = groups;
  return { pe, stubVersion: findStubVersion(pe), base, profiles };
}

/**
 * The sections that take effect when a profile is booted; 0 is what is booted when none is chosen.
 * @returns the base alone where the image has no such profile
 */
export function effectiveSections(uki: Uki, profile = 0): UkiSections {
  return new Map([...uki.base, ...(uki.profiles[profile] ?? [])]);
}
