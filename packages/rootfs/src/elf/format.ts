import { raw, record, u16le, u32le, u64le, u8, type ValueOf } from "@cvm-build/bytes";

/** The first bytes of every ELF file. */
export const ELF_MAGIC = Buffer.from("\x7fELF", "latin1");

/** `EI_CLASS` of 64-bit objects. */
export const ELFCLASS64 = 2;
/** `EI_DATA` of little-endian objects. */
export const ELFDATA2LSB = 1;

/** Object file types, `e_type`. */
export const ElfType = { relocatable: 1, executable: 2, sharedObject: 3 } as const;

/** Machines, `e_machine`. */
export const ElfMachine = { x86_64: 62, aarch64: 183 } as const;

/** Segment types, `p_type`. */
export const SegmentType = { load: 1, dynamic: 2, interpreter: 3, gnuProperty: 0x6474e553 } as const;

/** `sh_type` of a section that takes no bytes of the file. */
export const SHT_NOBITS = 8;
/** `st_shndx` of a symbol that another object defines. */
export const SHN_UNDEF = 0;

/** Tags of the dynamic section, `d_tag`. */
export const DynamicTag = { null: 0n, needed: 1n, stringTable: 5n, soname: 14n, rpath: 15n, runpath: 29n } as const;

/** `n_type` of the note with GNU properties. @see Linux gABI extensions, ".note.gnu.property" */
export const NT_GNU_PROPERTY_TYPE_0 = 5;
/** Property with the x86 ISA levels that the object needs. @see x86-64 psABI, "Program Property" */
export const GNU_PROPERTY_X86_ISA_1_NEEDED = 0xc0008002;

/**
 * File header of a 64-bit object: 64 bytes, little-endian.
 * @see System V gABI, "ELF Header"
 */
export const ElfHeader = record("ElfHeader", 64, {
  magic: [0x00, raw(4)],
  class: [0x04, u8],
  data: [0x05, u8],
  identVersion: [0x06, u8],
  osAbi: [0x07, u8],
  padding: [0x08, raw(8)],
  type: [0x10, u16le],
  machine: [0x12, u16le],
  version: [0x14, u32le],
  entry: [0x18, u64le],
  programHeaderOffset: [0x20, u64le],
  sectionHeaderOffset: [0x28, u64le],
  flags: [0x30, u32le],
  headerSizeBytes: [0x34, u16le],
  programHeaderSizeBytes: [0x36, u16le],
  programHeaderCount: [0x38, u16le],
  sectionHeaderSizeBytes: [0x3a, u16le],
  sectionHeaderCount: [0x3c, u16le],
  sectionNamesIndex: [0x3e, u16le],
});
export type ElfHeader = ValueOf<typeof ElfHeader>;

/**
 * Program header of a 64-bit object: 56 bytes, little-endian.
 * @see System V gABI, "Program Header"
 */
export const ElfProgramHeader = record("ElfProgramHeader", 56, {
  type: [0x00, u32le],
  flags: [0x04, u32le],
  offset: [0x08, u64le],
  virtualAddress: [0x10, u64le],
  physicalAddress: [0x18, u64le],
  fileSizeBytes: [0x20, u64le],
  memorySizeBytes: [0x28, u64le],
  alignment: [0x30, u64le],
});
export type ElfProgramHeader = ValueOf<typeof ElfProgramHeader>;

/**
 * Section header of a 64-bit object: 64 bytes, little-endian.
 * @see System V gABI, "Sections"
 */
export const ElfSectionHeader = record("ElfSectionHeader", 64, {
  nameOffset: [0x00, u32le],
  type: [0x04, u32le],
  flags: [0x08, u64le],
  address: [0x10, u64le],
  offset: [0x18, u64le],
  sizeBytes: [0x20, u64le],
  link: [0x28, u32le],
  info: [0x2c, u32le],
  alignment: [0x30, u64le],
  entrySizeBytes: [0x38, u64le],
});
export type ElfSectionHeader = ValueOf<typeof ElfSectionHeader>;

/**
 * Symbol of a 64-bit object: 24 bytes, little-endian.
 * @see System V gABI, "Symbol Table"
 */
export const ElfSymbol = record("ElfSymbol", 24, {
  nameOffset: [0x00, u32le],
  info: [0x04, u8],
  other: [0x05, u8],
  sectionIndex: [0x06, u16le],
  value: [0x08, u64le],
  sizeBytes: [0x10, u64le],
});

/**
 * Entry of a dynamic section: 16 bytes, little-endian.
 * @see System V gABI, "Dynamic Section"
 */
export const ElfDynamic = record("ElfDynamic", 16, {
  tag: [0x00, u64le],
  value: [0x08, u64le],
});

/**
 * Header of a note: 12 bytes, little-endian, followed by a name and a descriptor.
 * @see System V gABI, "Note Section"
 */
export const ElfNote = record("ElfNote", 12, {
  nameSizeBytes: [0x00, u32le],
  descriptorSizeBytes: [0x04, u32le],
  type: [0x08, u32le],
});

/** `n_type` and owner of a note that names libraries which are loaded at run time. @see UAPI Group, "ELF dlopen Metadata" */
export const DLOPEN_NOTE = { type: 0x407c0c0a, owner: "FDO", section: ".note.dlopen" } as const;

/** Header of one GNU property: 8 bytes, followed by its data, padded to 8 bytes. */
export const GnuProperty = record("GnuProperty", 8, {
  type: [0x00, u32le],
  dataSizeBytes: [0x04, u32le],
});
