import { type ByteSource, FormatError } from "@cvm-build/bytes";
import {
  CoffHeader,
  DataDirectory,
  DOS_MAGIC,
  DosHeader,
  MAX_DATA_DIRECTORIES,
  MAX_SECTIONS,
  OPTIONAL_HEADER_MAGIC,
  OptionalHeader32,
  OptionalHeader64,
  PE_SIGNATURE,
  SECURITY_DIRECTORY,
  SectionHeader,
} from "./format.ts";

/** A section header with its name as text. */
export interface PeSection extends Omit<SectionHeader, "name"> {
  /** The name's bytes up to the first NUL, as Latin-1. */
  name: string;
  /** Where its header stands, in bytes from the start of the file. */
  headerOffset: number;
}

/** The headers of a PE image, decoded, with the offsets at which they stand. */
export interface PeImage {
  source: ByteSource;
  coffOffset: number;
  coff: CoffHeader;
  optionalOffset: number;
  optional: OptionalHeader64 | OptionalHeader32;
  /** Offset of the first data directory. */
  directoriesOffset: number;
  directories: DataDirectory[];
  sectionTableOffset: number;
  sections: PeSection[];
}

/**
 * Reads the headers of a PE image, and nothing else of it.
 * @throws FormatError where headers are damaged, or sections leave the file or share bytes of it
 * @see Microsoft PE Format
 */
export function readPe(source: ByteSource): PeImage {
  const image = readPeHeaders(source);
  checkSectionsApart(image.sections);
  return image;
}

/**
 * As `readPe`, but sections may share bytes of the file: firmware loads and measures such images.
 * @throws FormatError where headers are damaged or sections leave the file
 */
export function readPeHeaders(source: ByteSource): PeImage {
  const coffOffset = readCoffOffset(source);
  const coff = CoffHeader.decode(readAt(source, coffOffset, CoffHeader.sizeBytes, "CoffHeader"));
  if (!coff.signature.equals(PE_SIGNATURE)) {
    throw new FormatError(
      { record: "CoffHeader", field: "signature", offsetBytes: coffOffset },
      `expected "PE\\0\\0", got 0x${coff.signature.toString("hex")}`,
    );
  }
  if (coff.numberOfSections > MAX_SECTIONS) {
    throw new FormatError(
      {
        record: "CoffHeader",
        field: "numberOfSections",
        offsetBytes: coffOffset + CoffHeader.offsetOf("numberOfSections"),
      },
      `expected at most ${MAX_SECTIONS} sections, got ${coff.numberOfSections}`,
    );
  }
  const optionalOffset = coffOffset + CoffHeader.sizeBytes;
  const { optional, directories, directoriesOffset } = readOptionalHeader(source, optionalOffset, coff);
  const sectionTableOffset = optionalOffset + coff.sizeOfOptionalHeader;
  const sections = readSectionTable(source, sectionTableOffset, coff.numberOfSections);
  checkHeaders(source, { optional, optionalOffset, directories, directoriesOffset });
  return {
    source,
    coffOffset,
    coff,
    optionalOffset,
    optional,
    directoriesOffset,
    directories,
    sectionTableOffset,
    sections,
  };
}

function readCoffOffset(source: ByteSource): number {
  const dos = DosHeader.decode(readAt(source, 0, DosHeader.sizeBytes, "DosHeader"));
  if (dos.magic !== DOS_MAGIC) {
    throw new FormatError({ record: "DosHeader", field: "magic", offsetBytes: 0 }, `expected "MZ"`);
  }
  return dos.peOffset;
}

function readOptionalHeader(source: ByteSource, optionalOffset: number, coff: CoffHeader) {
  const bytes = readAt(source, optionalOffset, coff.sizeOfOptionalHeader, "OptionalHeader");
  const magic = bytes.length < 2 ? undefined : bytes.readUInt16LE(0);
  if (magic !== OPTIONAL_HEADER_MAGIC.pe32Plus && magic !== OPTIONAL_HEADER_MAGIC.pe32) {
    throw new FormatError(
      { record: "OptionalHeader", field: "magic", offsetBytes: optionalOffset },
      `expected 0x20b (PE32+) or 0x10b (PE32), got ${magic === undefined ? "nothing" : `0x${magic.toString(16)}`}`,
    );
  }
  const type = magic === OPTIONAL_HEADER_MAGIC.pe32Plus ? OptionalHeader64 : OptionalHeader32;
  const optional = type.decode(bytes);
  const count = optional.numberOfRvaAndSizes;
  const room = Math.floor((bytes.length - type.sizeBytes) / DataDirectory.sizeBytes);
  if (count > Math.min(room, MAX_DATA_DIRECTORIES)) {
    throw new FormatError(
      { record: "OptionalHeader", field: "numberOfRvaAndSizes", offsetBytes: optionalOffset },
      `expected at most ${Math.min(room, MAX_DATA_DIRECTORIES)} data directories, got ${count}`,
    );
  }
  const directories = Array.from({ length: count }, (_, index) =>
    DataDirectory.decode(bytes, type.sizeBytes + index * DataDirectory.sizeBytes),
  );
  return { optional, directories, directoriesOffset: optionalOffset + type.sizeBytes };
}

function readSectionTable(source: ByteSource, tableOffset: number, count: number): PeSection[] {
  const bytes = readAt(source, tableOffset, count * SectionHeader.sizeBytes, "SectionHeader");
  return Array.from({ length: count }, (_, index) => {
    const { name, ...header } = SectionHeader.decode(bytes, index * SectionHeader.sizeBytes);
    const end = name.indexOf(0);
    const headerOffset = tableOffset + index * SectionHeader.sizeBytes;
    const section = { ...header, name: name.toString("latin1", 0, end < 0 ? name.length : end), headerOffset };
    if (section.sizeOfRawData > 0 && section.pointerToRawData + section.sizeOfRawData > source.sizeBytes) {
      throw new FormatError(
        { record: "SectionHeader", field: "sizeOfRawData", offsetBytes: headerOffset },
        `expected section ${JSON.stringify(section.name)} to end within the file's ${source.sizeBytes} bytes, ` +
          `got ${section.pointerToRawData + section.sizeOfRawData}`,
      );
    }
    return section;
  });
}

function checkHeaders(
  source: ByteSource,
  headers: Pick<PeImage, "optional" | "optionalOffset" | "directories" | "directoriesOffset">,
): void {
  const { optional, optionalOffset, directories, directoriesOffset } = headers;
  const least = directoriesOffset + directories.length * DataDirectory.sizeBytes;
  if (optional.sizeOfHeaders < least || optional.sizeOfHeaders > source.sizeBytes) {
    throw new FormatError(
      { record: "OptionalHeader", field: "sizeOfHeaders", offsetBytes: optionalOffset },
      `expected ${least}..${source.sizeBytes}, got ${optional.sizeOfHeaders}`,
    );
  }
  const security = directories[SECURITY_DIRECTORY];
  if (security && security.sizeBytes > source.sizeBytes - optional.sizeOfHeaders) {
    throw new FormatError(
      { record: "DataDirectory", field: "security", offsetBytes: directoriesOffset },
      `expected at most ${source.sizeBytes - optional.sizeOfHeaders} bytes of signatures, got ${security.sizeBytes}`,
    );
  }
}

function checkSectionsApart(sections: readonly PeSection[]): void {
  const present = sections.filter((section) => section.sizeOfRawData > 0);
  present.sort((a, b) => a.pointerToRawData - b.pointerToRawData);
  let end = 0;
  for (const section of present) {
    if (section.pointerToRawData < end) {
      throw new FormatError(
        { record: "SectionHeader", field: "pointerToRawData", offsetBytes: section.headerOffset },
        `expected section ${JSON.stringify(section.name)} at 0x${end.toString(16)} or later, ` +
          `got 0x${section.pointerToRawData.toString(16)}, where another section's bytes are`,
      );
    }
    end = section.pointerToRawData + section.sizeOfRawData;
  }
}

function readAt(source: ByteSource, offsetBytes: number, lengthBytes: number, recordName: string): Buffer {
  if (offsetBytes + lengthBytes > source.sizeBytes) {
    throw new FormatError(
      { record: recordName, offsetBytes },
      `expected ${lengthBytes} bytes, but the file has ${source.sizeBytes}`,
    );
  }
  return source.read(offsetBytes, lengthBytes);
}
