import { alignUp, assert, type CvmErrorOptions } from "@cvm-build/bytes";
import { ukiError } from "../error.ts";
import {
  COFF_SYMBOL_BYTES,
  CoffHeader,
  OPTIONAL_HEADER_MAGIC,
  OptionalHeader32,
  OptionalHeader64,
  SECURITY_DIRECTORY,
  SectionHeader,
} from "./format.ts";
import type { PeImage, PeSection } from "./reader.ts";

/** A section to be added after those that an image has. */
export interface NewSection {
  name: string;
  sizeBytes: number;
  /** `SECTION_FLAGS`, or-ed. */
  characteristics: number;
}

/** Where a new section's bytes go. */
export interface PlacedSection extends NewSection {
  offsetBytes: number;
  /** With the zeros up to the file alignment. */
  paddedBytes: number;
  virtualAddress: number;
}

/** An image with sections added: how it begins, and where the new sections stand. */
export interface PePlan {
  /** The image's own bytes, headers changed, ending where the first new section starts. */
  head: Buffer;
  sections: PlacedSection[];
  sizeBytes: number;
}

/** Largest image that sections are added to: it is held in memory. */
const MAX_BASE_BYTES = 1 << 24;
/** Addresses and sizes of a PE image are 32-bit. */
const MAX_IMAGE_BYTES = 0xffff_ffff;

/**
 * Plans a PE image with sections added at its end, as ukify lays them out: addresses follow the last section at the
 * section alignment, bytes follow the file at the file alignment, the checksum is cleared (firmware does not look),
 * a symbol table at the end is dropped, the time stamp stays the base image's own.
 * @param replacements new content of sections that the image has, in their place
 * @param options.clearDllCharacteristics bits that the result must not claim
 * @throws CvmError `uki-stub` where the image cannot take the sections
 */
export function planPe(
  image: PeImage,
  added: { sections: readonly NewSection[]; replacements: ReadonlyMap<string, Buffer> },
  options: { clearDllCharacteristics: number },
): PePlan {
  checkBase(image);
  checkHeaderRoom(image, added.sections);
  const { coff, bodyBytes } = withoutSymbols(image);
  const head = Buffer.alloc(alignUp(bodyBytes, image.optional.fileAlignment));
  image.source.read(0, bodyBytes).copy(head);
  const own = image.sections.map((section) => replaceContent(head, section, added.replacements.get(section.name)));
  const placed = placeSections(image, { from: head.length, sections: added.sections });
  const last = placed.at(-1);
  writeHeaders(head, image, {
    coff: { ...coff, numberOfSections: image.sections.length + placed.length },
    own,
    placed,
    clearDllCharacteristics: options.clearDllCharacteristics,
  });
  return { head, sections: placed, sizeBytes: last ? last.offsetBytes + last.paddedBytes : head.length };
}

function checkBase(image: PeImage): void {
  const { fileAlignment, sectionAlignment } = image.optional;
  if (image.source.sizeBytes > MAX_BASE_BYTES) {
    throw stubError(`expected at most ${MAX_BASE_BYTES} bytes, got ${image.source.sizeBytes}`);
  }
  if (!isAlignment(fileAlignment) || !isAlignment(sectionAlignment)) {
    throw stubError(`expected alignments of 512 to 65536, powers of two, got ${fileAlignment} and ${sectionAlignment}`);
  }
  if ((image.directories[SECURITY_DIRECTORY]?.sizeBytes ?? 0) > 0) {
    throw stubError("expected an unsigned image, got a signed one", {
      hint: "use linuxx64.efi.stub, not linuxx64.efi.stub.signed",
    });
  }
  const crooked = image.sections.find(
    ({ pointerToRawData, sizeOfRawData }) => (pointerToRawData | sizeOfRawData) % fileAlignment !== 0,
  );
  if (crooked || image.sections.length === 0) {
    const got = crooked ? `${crooked.name} at 0x${crooked.pointerToRawData.toString(16)}` : "no section";
    throw stubError(`expected sections aligned to ${fileAlignment} bytes in the file, got ${got}`);
  }
}

function checkHeaderRoom(image: PeImage, sections: readonly NewSection[]): void {
  const firstByte = Math.min(
    ...image.sections.filter(({ sizeOfRawData }) => sizeOfRawData > 0).map((section) => section.pointerToRawData),
    image.optional.sizeOfHeaders,
  );
  const room = Math.floor((firstByte - image.sectionTableOffset) / SectionHeader.sizeBytes) - image.sections.length;
  if (sections.length <= room) return;
  throw stubError(`expected room for ${sections.length} more section headers, got ${Math.max(room, 0)}`, {
    hint: "leave out sections, or use a newer systemd-stub (257 has room for 24 more)",
    details: { needed: sections.length, room },
  });
}

/** Old stubs carry a COFF symbol table, which images should not; it goes where nothing follows it. */
function withoutSymbols(image: PeImage): { coff: CoffHeader; bodyBytes: number } {
  const { coff, source } = image;
  const strings = coff.pointerToSymbolTable + coff.numberOfSymbols * COFF_SYMBOL_BYTES;
  if (coff.pointerToSymbolTable === 0 || strings + 4 > source.sizeBytes) return { coff, bodyBytes: source.sizeBytes };
  if (strings + source.read(strings, 4).readUInt32LE() !== source.sizeBytes)
    return { coff, bodyBytes: source.sizeBytes };
  return {
    coff: { ...coff, pointerToSymbolTable: 0, numberOfSymbols: 0 },
    bodyBytes: coff.pointerToSymbolTable,
  };
}

function replaceContent(head: Buffer, section: PeSection, content: Buffer | undefined): PeSection {
  if (!content) return section;
  assert(content.length <= section.sizeOfRawData, `content of ${section.name} fits`);
  head.fill(0, section.pointerToRawData, section.pointerToRawData + section.sizeOfRawData);
  content.copy(head, section.pointerToRawData);
  return { ...section, virtualSizeBytes: content.length };
}

function placeSections(image: PeImage, added: { from: number; sections: readonly NewSection[] }): PlacedSection[] {
  const { fileAlignment, sectionAlignment } = image.optional;
  let offsetBytes = added.from;
  let addressEnd = Math.max(...image.sections.map((section) => section.virtualAddress + section.virtualSizeBytes));
  return added.sections.map((section) => {
    const placed = {
      ...section,
      offsetBytes,
      paddedBytes: alignUp(section.sizeBytes, fileAlignment),
      virtualAddress: alignUp(addressEnd, sectionAlignment),
    };
    offsetBytes += placed.paddedBytes;
    addressEnd = placed.virtualAddress + placed.sizeBytes;
    if (alignUp(addressEnd, sectionAlignment) > MAX_IMAGE_BYTES || offsetBytes > MAX_IMAGE_BYTES) {
      throw ukiError(
        "uki-section",
        `cannot add section "${section.name}": expected an image below 4 GiB, got ${offsetBytes} bytes`,
        { hint: "make the initrd smaller, or move content to a disk" },
      );
    }
    return placed;
  });
}

function writeHeaders(
  head: Buffer,
  image: PeImage,
  parts: { coff: CoffHeader; own: PeSection[]; placed: PlacedSection[]; clearDllCharacteristics: number },
): void {
  const { optional } = image;
  const ends = [
    ...parts.own.map((section) => section.virtualAddress + section.virtualSizeBytes),
    ...parts.placed.map((section) => section.virtualAddress + section.sizeBytes),
  ];
  const initialized = parts.placed.reduce((sum, { sizeBytes }) => sum + sizeBytes, optional.sizeOfInitializedData);
  const imageBytes = alignUp(Math.max(...ends), optional.sectionAlignment);
  if (initialized > MAX_IMAGE_BYTES || imageBytes > MAX_IMAGE_BYTES) {
    throw stubError(`expected an image below 4 GiB in memory, got ${Math.max(initialized, imageBytes)} bytes`);
  }
  const changed = {
    ...optional,
    sizeOfInitializedData: initialized,
    sizeOfImage: imageBytes,
    sizeOfHeaders: alignUp(optional.sizeOfHeaders, optional.fileAlignment),
    checkSum: 0,
    // Bitwise operators give signed results; all bits of this field are below 2^16.
    dllCharacteristics: optional.dllCharacteristics & ~parts.clearDllCharacteristics,
  };
  CoffHeader.encode(parts.coff).copy(head, image.coffOffset);
  const encoded =
    optional.magic === OPTIONAL_HEADER_MAGIC.pe32Plus
      ? OptionalHeader64.encode(changed as OptionalHeader64)
      : OptionalHeader32.encode(changed as OptionalHeader32);
  encoded.copy(head, image.optionalOffset);
  for (const { headerOffset, virtualSizeBytes } of parts.own) {
    head.writeUInt32LE(virtualSizeBytes, headerOffset + SectionHeader.offsetOf("virtualSizeBytes"));
  }
  const tableEnd = image.sectionTableOffset + image.sections.length * SectionHeader.sizeBytes;
  for (const [index, section] of parts.placed.entries()) {
    const name = Buffer.alloc(8);
    name.write(section.name, "latin1");
    const header = SectionHeader.encode({
      name,
      virtualSizeBytes: section.sizeBytes,
      virtualAddress: section.virtualAddress,
      sizeOfRawData: section.paddedBytes,
      pointerToRawData: section.offsetBytes,
      relocations: Buffer.alloc(12),
      characteristics: section.characteristics,
    });
    header.copy(head, tableEnd + index * SectionHeader.sizeBytes);
  }
}

/** Room that a section's content has in place, without touching the section after it in the file or in memory. */
export function roomInPlace(image: PeImage, section: PeSection): number {
  const nextAddress = Math.min(
    ...image.sections
      .map(({ virtualAddress }) => virtualAddress)
      .filter((virtualAddress) => virtualAddress > section.virtualAddress),
  );
  return Math.min(section.sizeOfRawData, nextAddress - section.virtualAddress);
}

/** @see Microsoft PE Format, "Optional Header Windows-Specific Fields (Image Only)", FileAlignment */
function isAlignment(value: number): boolean {
  return value >= 512 && value <= 65536 && Number.isInteger(Math.log2(value));
}

function stubError(expectation: string, options: CvmErrorOptions = {}) {
  return ukiError("uki-stub", `cannot add sections to stub: ${expectation}`, options);
}
