import { FormatError } from "@cvm-build/bytes";
import {
  ELF_MAGIC,
  ELFCLASS64,
  ELFDATA2LSB,
  ElfHeader,
  ElfProgramHeader,
  ElfSectionHeader,
  ElfSymbol,
  SHT_NOBITS,
} from "./format.ts";

/** A 64-bit little-endian object, opened: every range handed out has been checked. */
export interface Elf {
  readonly bytes: Buffer;
  readonly header: ElfHeader;
  readonly segments: readonly ElfProgramHeader[];
  /**
   * The bytes of the first section of that name; undefined where there is none or it takes no bytes.
   * @throws FormatError where the section headers point outside the file
   */
  section(name: string): Buffer | undefined;
}

/** A symbol as far as the module indexes need it. */
export interface ElfSymbolName {
  name: string;
  sectionIndex: number;
}

/** Says whether `bytes` begin as an ELF file of any class and byte order does. */
export function isElf(bytes: Uint8Array): boolean {
  return bytes.byteLength >= ELF_MAGIC.length && ELF_MAGIC.equals(bytes.subarray(0, ELF_MAGIC.length));
}

/** Says whether `bytes` begin as a 64-bit little-endian ELF file does, the only kind that `readElf` takes. */
export function isElf64LittleEndian(bytes: Uint8Array): boolean {
  return isElf(bytes) && bytes[4] === ELFCLASS64 && bytes[5] === ELFDATA2LSB;
}

/**
 * Opens a 64-bit little-endian ELF object.
 * @throws FormatError where it is none, or its segments' table leaves the file
 */
export function readElf(bytes: Buffer): Elf {
  const header = ElfHeader.decode(bytes);
  if (!isElf64LittleEndian(bytes)) {
    throw new FormatError({ record: "ElfHeader", offsetBytes: 0 }, "expected a 64-bit little-endian ELF object");
  }
  const segments = readTable(bytes, ElfProgramHeader, {
    offset: header.programHeaderOffset,
    count: header.programHeaderCount,
    entrySizeBytes: header.programHeaderSizeBytes,
  });
  let sections: Map<string, Buffer> | undefined;
  const section = (name: string): Buffer | undefined => {
    sections ??= indexSections(bytes, header);
    return sections.get(name);
  };
  return { bytes, header, segments, section };
}

/**
 * Symbols of a symbol table, without the reserved first one.
 * @throws FormatError where the table is no whole number of symbols or a name lies outside `strings`
 */
export function* readSymbols(table: Buffer, strings: Buffer): Generator<ElfSymbolName> {
  if (table.length % ElfSymbol.sizeBytes !== 0) {
    throw new FormatError(
      { record: "ElfSymbol" },
      `expected a multiple of ${ElfSymbol.sizeBytes} bytes, got ${table.length}`,
    );
  }
  const nameAt = ElfSymbol.offsetOf("nameOffset");
  const sectionAt = ElfSymbol.offsetOf("sectionIndex");
  for (let offset = ElfSymbol.sizeBytes; offset < table.length; offset += ElfSymbol.sizeBytes) {
    const name = readString(strings, table.readUInt32LE(offset + nameAt), "ElfSymbol");
    yield { name, sectionIndex: table.readUInt16LE(offset + sectionAt) };
  }
}

/**
 * The string at `offset` of a string table, up to its NUL.
 * @throws FormatError where the offset or the end of the string lies outside the table
 */
export function readString(strings: Buffer, offset: number, recordName: string): string {
  const end = offset < strings.length ? strings.indexOf(0, offset) : -1;
  if (end < 0) throw new FormatError({ record: recordName, field: "nameOffset" }, "expected a string inside its table");
  return strings.toString("latin1", offset, end);
}

/**
 * The bytes at `offset`, as a view.
 * @throws FormatError where they leave the file
 */
export function sliceElf(bytes: Buffer, range: { offset: bigint; sizeBytes: bigint; record: string }): Buffer {
  if (range.offset + range.sizeBytes > BigInt(bytes.length)) {
    throw new FormatError(
      { record: range.record, field: "offset" },
      `expected a range inside ${bytes.length} bytes, got ${range.sizeBytes} at ${range.offset}`,
    );
  }
  return bytes.subarray(Number(range.offset), Number(range.offset + range.sizeBytes));
}

function readTable<T>(
  bytes: Buffer,
  type: { recordName: string; sizeBytes: number; decode(bytes: Uint8Array, offsetBytes?: number): T },
  table: { offset: bigint; count: number; entrySizeBytes: number },
): T[] {
  if (table.count === 0) return [];
  if (table.entrySizeBytes !== type.sizeBytes) {
    throw new FormatError(
      { record: type.recordName },
      `expected entries of ${type.sizeBytes} bytes, got ${table.entrySizeBytes}`,
    );
  }
  const sizeBytes = BigInt(table.count) * BigInt(table.entrySizeBytes);
  const slice = sliceElf(bytes, { offset: table.offset, sizeBytes, record: type.recordName });
  return Array.from({ length: table.count }, (_, index) => type.decode(slice, index * type.sizeBytes));
}

function indexSections(bytes: Buffer, header: ElfHeader): Map<string, Buffer> {
  const sections = readTable(bytes, ElfSectionHeader, {
    offset: header.sectionHeaderOffset,
    count: header.sectionHeaderCount,
    entrySizeBytes: header.sectionHeaderSizeBytes,
  });
  const byName = new Map<string, Buffer>();
  const names = sections[header.sectionNamesIndex];
  if (!names) return byName;
  const strings = sliceSection(bytes, names);
  for (const section of sections) {
    if (section.type === SHT_NOBITS || section.sizeBytes === 0n) continue;
    const name = readString(strings, section.nameOffset, "ElfSectionHeader");
    if (!byName.has(name)) byName.set(name, sliceSection(bytes, section));
  }
  return byName;
}

function sliceSection(bytes: Buffer, section: ElfSectionHeader): Buffer {
  return sliceElf(bytes, { offset: section.offset, sizeBytes: section.sizeBytes, record: "ElfSectionHeader" });
}
