import { ascii, type Guid, guid, raw, record, u16le, u32le, u64le, u8, type ValueOf } from "@cvm-build/bytes";

/**
 * Head of a firmware volume up to its block map: 56 bytes.
 * @see UEFI PI Specification 1.8, volume 3, 3.2.1 "EFI_FIRMWARE_VOLUME_HEADER"
 */
export const VolumeHeader = record("EFI_FIRMWARE_VOLUME_HEADER", 56, {
  zeroVector: [0x00, raw(16)],
  fileSystem: [0x10, guid],
  sizeBytes: [0x20, u64le],
  signature: [0x28, ascii(4)],
  attributes: [0x2c, u32le],
  /** Of the header with its block map. */
  headerSizeBytes: [0x30, u16le],
  checksum: [0x32, u16le],
  /** 0 where there is no extended header. */
  extHeaderOffset: [0x34, u16le],
  reserved: [0x36, u8],
  revision: [0x37, u8],
});
export type VolumeHeader = ValueOf<typeof VolumeHeader>;

/** @see UEFI PI Specification 1.8, volume 3, 3.2.1 "EFI_FIRMWARE_VOLUME_EXT_HEADER" */
export const VolumeExtHeader = record("EFI_FIRMWARE_VOLUME_EXT_HEADER", 20, {
  name: [0x00, guid],
  sizeBytes: [0x10, u32le],
});

/** Head of a file of 24 bytes; a large one's size follows. @see UEFI PI Specification 1.8, volume 3, "EFI_FFS_FILE_HEADER" */
export const FileHeader = record("EFI_FFS_FILE_HEADER", 24, {
  name: [0x00, guid],
  headerChecksum: [0x10, u8],
  fileChecksum: [0x11, u8],
  type: [0x12, u8],
  attributes: [0x13, u8],
  /** 24 bits, with this header. */
  size: [0x14, raw(3)],
  state: [0x17, u8],
});

/** Head of a section. @see UEFI PI Specification 1.8, volume 3, "EFI_COMMON_SECTION_HEADER" */
export const SectionHeader = record("EFI_COMMON_SECTION_HEADER", 4, {
  /** 24 bits, with this header; all ones where it follows in 32. */
  size: [0x00, raw(3)],
  type: [0x03, u8],
});

/** What follows a section's head where a GUID says how its content is encoded. @see "EFI_GUID_DEFINED_SECTION" */
export const GuidDefined = record("EFI_GUID_DEFINED_SECTION", 20, {
  definition: [0x00, guid],
  /** From the start of the section. */
  dataOffset: [0x10, u16le],
  attributes: [0x12, u16le],
});

/** A size that is too large for 24 bits. */
export const ExtendedSize64 = record("ExtendedSize", 8, { sizeBytes: [0x00, u64le] });
/** A size that is too large for 24 bits. */
export const ExtendedSize32 = record("ExtendedSize", 4, { sizeBytes: [0x00, u32le] });

/** `signature` of a volume. */
export const VOLUME_SIGNATURE = "_FVH";
/** `fileSystem` of volumes with files: firmware file system 2, and 3 with large files. */
export const FILE_SYSTEMS: readonly Guid[] = [
  "8c8ce578-8a3d-4f1c-9935-896185c32dd3",
  "5473c07a-3dcb-4dca-bd6f-1e9689e7349a",
];
/** `attributes` of a file whose size takes 64 bits. */
export const FFS_ATTRIB_LARGE_FILE = 0x01;
/** `type` of a file. @see UEFI PI Specification 1.8, volume 3, "Firmware File Types" */
export const FILE_TYPES = { peiCore: 0x04, peim: 0x06, volume: 0x0b, pad: 0xf0 } as const;
/** `type` of a section. @see UEFI PI Specification 1.8, volume 3, "Section Types" */
export const SECTION_TYPES = { guidDefined: 0x02, pe32: 0x10, userInterface: 0x15, volume: 0x17 } as const;
/** `definition` of a section that is an LZMA stream. @see EDK2 `MdeModulePkg/Include/Guid/LzmaDecompress.h` */
export const LZMA_SECTION: Guid = "ee4e5898-3914-4259-9d6e-dc7bd79403cf";
