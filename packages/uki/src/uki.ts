import { type ByteSource, FormatError } from "@cvm-build/bytes";
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
  /** Every section in file order, the base's first, then a list for each profile: those too that do not take effect. */
  listed: UkiSection[][];
}

/** Zeros that all sections together may add to their bytes in the file. UKIs are made without any. */
const MAX_ZERO_FILL_BYTES = 1 << 26;

/**
 * Reads a UKI's sections as systemd-stub does: `VirtualSize` bytes each, the first of a name counts, empty ones are
 * absent, each `.profile` begins a profile that overrides the base.
 * @throws FormatError where the file is no PE image
 * @see UAPI Unified Kernel Image, "UKI Components" and "Multi-Profile UKIs"
 */
export function readUki(source: ByteSource): Uki {
  const pe = readPe(source);
  const listed: UkiSection[][] = [[]];
  let zeroBytes = 0;
  for (const header of pe.sections) {
    const { name, virtualSizeBytes } = header;
    if (!isSectionName(name) || virtualSizeBytes === 0) continue;
    if (name === ".profile") listed.push([]);
    const storedBytes = Math.min(virtualSizeBytes, header.sizeOfRawData);
    zeroBytes += virtualSizeBytes - storedBytes;
    if (zeroBytes > MAX_ZERO_FILL_BYTES) throw tooManyZeros(header.headerOffset);
    listed.at(-1)?.push({
      name,
      sizeBytes: virtualSizeBytes,
      content: sectionContent(source, header),
      offsetBytes: header.pointerToRawData,
      storedBytes,
    });
  }
  const [base = new Map(), ...profiles] = listed.map(firstOfEach);
  return { pe, stubVersion: findStubVersion(pe), base, profiles, listed };
}

function firstOfEach(sections: readonly UkiSection[]): UkiSections {
  const found = new Map<SectionName, UkiSection>();
  for (const section of sections) if (!found.has(section.name)) found.set(section.name, section);
  return found;
}

function tooManyZeros(offsetBytes: number): FormatError {
  return new FormatError(
    { record: "SectionHeader", field: "virtualSizeBytes", offsetBytes },
    `expected sections that together add at most ${MAX_ZERO_FILL_BYTES} zero bytes, got more`,
  );
}

/**
 * The sections that take effect when a profile is booted; 0 is what is booted when none is chosen.
 * @returns the base alone where the image has no such profile
 */
export function effectiveSections(uki: Uki, profile = 0): UkiSections {
  return new Map([...uki.base, ...(uki.profiles[profile] ?? [])]);
}
