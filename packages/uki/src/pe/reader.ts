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
 * @throws FormatError where firmware would not load the image, or sections share bytes of the file
 * @see Microsoft PE Format
 */
export function readPe(source: ByteSource): PeImage {
  const image = readPeHeaders(source);
  checkSectionsApart(image);
  return image;
}

/**
 * As `readPe`, but sections may share bytes of the file: firmware loads and measures such images.
 * @throws FormatError where firmware would not load the image
 * @see EDK2, MdePkg/Library/BasePeCoffLib, `PeCoffLoaderGetPeHeader` and `PeCoffLoaderLoadImage`
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
  const image = {
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
  checkHeaders(image);
  checkMemory(image);
  return image;
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
  const room = (bytes.length - type.sizeBytes) / DataDirectory.sizeBytes;
  if (count !== room || count > MAX_DATA_DIRECTORIES) {
    throw new FormatError(
      { record: "OptionalHeader", field: "numberOfRvaAndSizes", offsetBytes: optionalOffset },
      `expected at most ${MAX_DATA_DIRECTORIES} data directories that fill the header, got ${count} where ${room} fit`,
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

function checkHeaders(image: PeImage): void {
  const { source, optional, optionalOffset, directories, directoriesOffset } = image;
  const tableEnd = image.sectionTableOffset + image.sections.length * SectionHeader.sizeBytes;
  const most = Math.min(source.sizeBytes, optional.sizeOfImage);
  if (optional.sizeOfHeaders < tableEnd || optional.sizeOfHeaders > most) {
    throw new FormatError(
      { record: "OptionalHeader", field: "sizeOfHeaders", offsetBytes: optionalOffset },
      `expected ${tableEnd}..${most}, got ${optional.sizeOfHeaders}`,
    );
  }
  for (const field of ["sectionAlignment", "fileAlignment"] as const) {
    if (optional[field] > 0 && Number.isInteger(Math.log2(optional[field]))) continue;
    throw new FormatError(
      { record: "OptionalHeader", field, offsetBytes: optionalOffset },
      `expected a power of two, got ${optional[field]}`,
    );
  }
  const security = directories[SECURITY_DIRECTORY];
  if (!security || security.sizeBytes === 0) return;
  const end = security.virtualAddress + security.sizeBytes;
  if (security.virtualAddress < optional.sizeOfHeaders || end > source.sizeBytes) {
    throw new FormatError(
      { record: "DataDirectory", field: "security", offsetBytes: directoriesOffset },
      `expected signatures within ${optional.sizeOfHeaders}..${source.sizeBytes}, ` +
        `got ${security.virtualAddress}..${end}`,
    );
  }
}

/** Every section has its place in the image that firmware makes room for. */
function checkMemory({ optional, sections }: PeImage): void {
  for (const { name, virtualAddress, virtualSizeBytes, headerOffset } of sections) {
    if (virtualSizeBytes === 0 || virtualAddress + virtualSizeBytes <= optional.sizeOfImage) continue;
    throw new FormatError(
      { record: "SectionHeader", field: "virtualAddress", offsetBytes: headerOffset },
      `expected section ${JSON.stringify(name)} to end within the image's ${optional.sizeOfImage} bytes, ` +
        `got ${virtualAddress + virtualSizeBytes}`,
    );
  }
}

function checkSectionsApart({ optional, sections }: PeImage): void {
  const present = sections.filter((section) => section.sizeOfRawData > 0);
  present.sort((a, b) => a.pointerToRawData - b.pointerToRawData);
  let end = optional.sizeOfHeaders;
  for (const section of present) {
    if (section.pointerToRawData < end) {
      throw new FormatError(
        { record: "SectionHeader", field: "pointerToRawData", offsetBytes: section.headerOffset },
        `expected section ${JSON.stringify(section.name)} at 0x${end.toString(16)} or later, ` +
          `got 0x${section.pointerToRawData.toString(16)}, where other bytes of the image are`,
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
