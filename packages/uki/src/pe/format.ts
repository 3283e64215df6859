import { ascii, raw, record, u16le, u32le, u64le, u8, type ValueOf } from "@cvm-build/bytes";

/**
 * MS-DOS header: 64 bytes, of which PE uses the magic and the pointer at its end.
 * @see Microsoft PE Format, "MS-DOS Stub (Image Only)"
 */
export const DosHeader = record("DosHeader", 64, {
  magic: [0x00, ascii(2)],
  dosFields: [0x02, raw(58)],
  peOffset: [0x3c, u32le],
});
export type DosHeader = ValueOf<typeof DosHeader>;

/**
 * PE signature and COFF file header: 24 bytes, little-endian.
 * @see Microsoft PE Format, "Signature (Image Only)" and "COFF File Header (Object and Image)"
 */
export const CoffHeader = record("CoffHeader", 24, {
  signature: [0x00, raw(4)],
  machine: [0x04, u16le],
  numberOfSections: [0x06, u16le],
  timeDateStamp: [0x08, u32le],
  pointerToSymbolTable: [0x0c, u32le],
  numberOfSymbols: [0x10, u32le],
  sizeOfOptionalHeader: [0x14, u16le],
  characteristics: [0x16, u16le],
});
export type CoffHeader = ValueOf<typeof CoffHeader>;

/**
 * Optional header of a PE32+ image up to the data directories: 112 bytes.
 * @see Microsoft PE Format, "Optional Header (Image Only)"
 */
export const OptionalHeader64 = record("OptionalHeader64", 112, {
  magic: [0x00, u16le],
  majorLinkerVersion: [0x02, u8],
  minorLinkerVersion: [0x03, u8],
  sizeOfCode: [0x04, u32le],
  sizeOfInitializedData: [0x08, u32le],
  sizeOfUninitializedData: [0x0c, u32le],
  addressOfEntryPoint: [0x10, u32le],
  baseOfCode: [0x14, u32le],
  imageBase: [0x18, u64le],
  sectionAlignment: [0x20, u32le],
  fileAlignment: [0x24, u32le],
  versions: [0x28, raw(16)],
  sizeOfImage: [0x38, u32le],
  sizeOfHeaders: [0x3c, u32le],
  checkSum: [0x40, u32le],
  subsystem: [0x44, u16le],
  dllCharacteristics: [0x46, u16le],
  stackAndHeapSizes: [0x48, raw(32)],
  loaderFlags: [0x68, u32le],
  numberOfRvaAndSizes: [0x6c, u32le],
});
export type OptionalHeader64 = ValueOf<typeof OptionalHeader64>;

/**
 * Optional header of a PE32 image up to the data directories: 96 bytes.
 * @see Microsoft PE Format, "Optional Header (Image Only)"
 */
export const OptionalHeader32 = record("OptionalHeader32", 96, {
  magic: [0x00, u16le],
  majorLinkerVersion: [0x02, u8],
  minorLinkerVersion: [0x03, u8],
  sizeOfCode: [0x04, u32le],
  sizeOfInitializedData: [0x08, u32le],
  sizeOfUninitializedData: [0x0c, u32le],
  addressOfEntryPoint: [0x10, u32le],
  baseOfCode: [0x14, u32le],
  baseOfData: [0x18, u32le],
  imageBase: [0x1c, u32le],
  sectionAlignment: [0x20, u32le],
  fileAlignment: [0x24, u32le],
  versions: [0x28, raw(16)],
  sizeOfImage: [0x38, u32le],
  sizeOfHeaders: [0x3c, u32le],
  checkSum: [0x40, u32le],
  subsystem: [0x44, u16le],
  dllCharacteristics: [0x46, u16le],
  stackAndHeapSizes: [0x48, raw(16)],
  loaderFlags: [0x58, u32le],
  numberOfRvaAndSizes: [0x5c, u32le],
});
export type OptionalHeader32 = ValueOf<typeof OptionalHeader32>;

/**
 * One entry of the data directories: 8 bytes.
 * @see Microsoft PE Format, "Optional Header Data Directories (Image Only)"
 */
export const DataDirectory = record("DataDirectory", 8, {
  virtualAddress: [0x00, u32le],
  sizeBytes: [0x04, u32le],
});
export type DataDirectory = ValueOf<typeof DataDirectory>;

/**
 * Section header: 40 bytes. The name is kept as bytes, since foreign names need not be ASCII.
 * @see Microsoft PE Format, "Section Table (Section Headers)"
 */
export const SectionHeader = record("SectionHeader", 40, {
  name: [0x00, raw(8)],
  virtualSizeBytes: [0x08, u32le],
  virtualAddress: [0x0c, u32le],
  sizeOfRawData: [0x10, u32le],
  pointerToRawData: [0x14, u32le],
  relocations: [0x18, raw(12)],
  characteristics: [0x24, u32le],
});
export type SectionHeader = ValueOf<typeof SectionHeader>;

/** `magic` of the DOS header. */
export const DOS_MAGIC = "MZ";
/** "PE\0\0". */
export const PE_SIGNATURE = Buffer.from("PE\0\0", "latin1");
/** `magic` of the optional header of 64-bit and 32-bit images. */
export const OPTIONAL_HEADER_MAGIC = { pe32: 0x10b, pe32Plus: 0x20b } as const;

/** Machines that an image may be for, by `machine` of the COFF header. @see Microsoft PE Format, "Machine Types" */
export const MACHINES = {
  0x014c: "ia32",
  0x01c2: "arm",
  0x5032: "riscv32",
  0x5064: "riscv64",
  0x6232: "loongarch32",
  0x6264: "loongarch64",
  0x8664: "x86-64",
  0xaa64: "aarch64",
} as const;

/** `subsystem` of an EFI application, which is what a boot manager starts. */
export const IMAGE_SUBSYSTEM_EFI_APPLICATION = 10;

/** Data directories that an image may have; EDK2 loads none with more. */
export const MAX_DATA_DIRECTORIES = 16;
/** Index of the directory that says where signatures are (by file offset, not by address). */
export const SECURITY_DIRECTORY = 4;
/** Sections that a reader accepts. Windows' limit is 96, a UKI of many profiles has a few hundred. */
export const MAX_SECTIONS = 2048;

/** `dllCharacteristics` of the optional header. */
export const IMAGE_DLLCHARACTERISTICS_NX_COMPAT = 0x0100;
/** `characteristics` of a section. */
export const SECTION_FLAGS = {
  code: 0x0000_0020,
  initializedData: 0x0000_0040,
  read: 0x4000_0000,
} as const;
/** Size of one COFF symbol, in bytes. @see Microsoft PE Format, "COFF Symbol Table" */
export const COFF_SYMBOL_BYTES = 18;
