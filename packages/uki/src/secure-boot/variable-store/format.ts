import { type Guid, guid, raw, record, u16le, u32le, u64le, u8, type ValueOf } from "@cvm-build/bytes";

/**
 * Head of a firmware volume up to its block map: 56 bytes.
 * @see UEFI Platform Initialization Specification, volume 3, section 3.2.1, `EFI_FIRMWARE_VOLUME_HEADER`
 */
export const FirmwareVolumeHeader = record("EFI_FIRMWARE_VOLUME_HEADER", 56, {
  zeroVector: [0x00, raw(16)],
  fileSystemGuid: [0x10, guid],
  fvLength: [0x20, u64le],
  signature: [0x28, u32le],
  attributes: [0x2c, u32le],
  headerLength: [0x30, u16le],
  checksum: [0x32, u16le],
  extHeaderOffset: [0x34, u16le],
  reserved: [0x36, u8],
  revision: [0x37, u8],
});
export type FirmwareVolumeHeader = ValueOf<typeof FirmwareVolumeHeader>;

/**
 * Head of the store inside of the volume: 28 bytes.
 * @see EDK2, MdeModulePkg/Include/Guid/VariableFormat.h, `VARIABLE_STORE_HEADER`
 */
export const VariableStoreHeader = record("VARIABLE_STORE_HEADER", 28, {
  signature: [0x00, guid],
  size: [0x10, u32le],
  format: [0x14, u8],
  state: [0x15, u8],
  reserved: [0x16, u16le],
  reserved1: [0x18, u32le],
});
export type VariableStoreHeader = ValueOf<typeof VariableStoreHeader>;

/**
 * Head of one variable: 60 bytes, followed by name and data.
 * @see EDK2, MdeModulePkg/Include/Guid/VariableFormat.h, `AUTHENTICATED_VARIABLE_HEADER`
 */
export const VariableHeader = record("AUTHENTICATED_VARIABLE_HEADER", 60, {
  startId: [0x00, u16le],
  state: [0x02, u8],
  reserved: [0x03, u8],
  attributes: [0x04, u32le],
  monotonicCount: [0x08, u64le],
  timeStamp: [0x10, raw(16)],
  pubKeyIndex: [0x20, u32le],
  nameSize: [0x24, u32le],
  dataSize: [0x28, u32le],
  vendorGuid: [0x2c, guid],
});
export type VariableHeader = ValueOf<typeof VariableHeader>;

/** "_FVH". */
export const FV_SIGNATURE = 0x4856465f;
/** `fileSystemGuid` of a volume that holds variables. */
export const SYSTEM_NV_DATA_FV: Guid = "fff12b8d-7696-4c8b-a985-2747075b4f50";
/** `signature` of a store whose variables have times and counters. */
export const AUTHENTICATED_VARIABLE_STORE: Guid = "aaf32c78-947b-439a-a180-2e144ec37792";
/** `format` of a store that was formatted, `state` of one that is in order. */
export const STORE_FORMATTED = 0x5a;
export const STORE_HEALTHY = 0xfe;
/** `startId` of a variable. */
export const VARIABLE_START = 0x55aa;
/** What flash holds where nothing was written. */
export const ERASED = 0xff;
/** Variables begin at multiples of this. */
export const VARIABLE_ALIGNMENT = 4;

/**
 * `state` of a variable. Flash turns bits off only: each stage clears one more.
 * @see EDK2, MdeModulePkg/Include/Guid/VariableFormat.h, "Variable State flags"
 */
export const VARIABLE_STATES = {
  added: 0x3f,
  /** Being replaced; it counts until its successor is added. */
  inDeletedTransition: 0x3e,
} as const;

/** Limits of what a reader accepts: flash has some megabytes. */
export const STORE_LIMITS = { sizeBytes: 1 << 26, headerBytes: 1 << 12 } as const;
