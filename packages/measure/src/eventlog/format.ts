import { type HashAlgorithm, raw, record, u16le, u32le, u8, type ValueOf } from "@cvm-build/bytes";

/**
 * Event of a SHA-1 log, and the first record of every log, up to its data.
 * @see TCG PC Client Platform Firmware Profile, "TCG_PCClientPCREvent"
 */
export const PcrEventHeader = record("TCG_PCClientPCREvent", 32, {
  register: [0x00, u32le],
  eventType: [0x04, u32le],
  digest: [0x08, raw(20)],
  eventSizeBytes: [0x1c, u32le],
});
export type PcrEventHeader = ValueOf<typeof PcrEventHeader>;

/**
 * Event of a crypto-agile log, up to its digests.
 * @see TCG PC Client Platform Firmware Profile, "TCG_PCR_EVENT2"
 */
export const PcrEvent2Header = record("TCG_PCR_EVENT2", 12, {
  register: [0x00, u32le],
  eventType: [0x04, u32le],
  digestCount: [0x08, u32le],
});
export type PcrEvent2Header = ValueOf<typeof PcrEvent2Header>;

/**
 * Data of the first record of a crypto-agile log, up to the list of algorithms.
 * @see TCG PC Client Platform Firmware Profile, "TCG_EfiSpecIdEvent"
 */
export const SpecIdEvent = record("TCG_EfiSpecIdEvent", 28, {
  signature: [0x00, raw(16)],
  platformClass: [0x10, u32le],
  specVersionMinor: [0x14, u8],
  specVersionMajor: [0x15, u8],
  specErrata: [0x16, u8],
  uintnSize: [0x17, u8],
  algorithmCount: [0x18, u32le],
});
export type SpecIdEvent = ValueOf<typeof SpecIdEvent>;

/** One algorithm of `SpecIdEvent`. @see TCG PC Client Platform Firmware Profile, "TCG_EfiSpecIdEventAlgorithmSize" */
export const SpecIdAlgorithm = record("TCG_EfiSpecIdEventAlgorithmSize", 4, {
  algorithmId: [0x00, u16le],
  digestSizeBytes: [0x02, u16le],
});

/** Head of the data of an EV_EVENT_TAG. @see TCG PC Client Platform Firmware Profile, "TCG_PCClientTaggedEvent" */
export const TaggedEvent = record("TCG_PCClientTaggedEvent", 8, {
  tagId: [0x00, u32le],
  dataSizeBytes: [0x04, u32le],
});

/** Head of the data of a variable event. @see TCG PC Client Platform Firmware Profile, "UEFI_VARIABLE_DATA" */
export const VariableData = record("UEFI_VARIABLE_DATA", 32, {
  variableName: [0x00, raw(16)],
  nameChars: [0x10, u32le],
  nameCharsHigh: [0x14, u32le],
  dataSizeBytes: [0x18, u32le],
  dataSizeHigh: [0x1c, u32le],
});

/** `signature` of a crypto-agile log's first record. */
export const CRYPTO_AGILE_SIGNATURE = Buffer.from("Spec ID Event03\0", "latin1");
/** How the ACPI table begins that says where a CCEL is. @see ACPI 6.5, "Confidential Computing Event Log ACPI Table" */
export const CCEL_TABLE_SIGNATURE = Buffer.from("CCEL8\0\0\0", "latin1");
/** Data of the EV_NO_ACTION that tells the locality from which PCR 0 was started; one byte follows. */
export const STARTUP_LOCALITY_SIGNATURE = Buffer.from("StartupLocality\0", "latin1");

/** Algorithm ids of the banks. @see TCG Algorithm Registry, "TPM_ALG_ID" */
export const HASH_ALGORITHM_IDS = {
  sha1: 0x0004,
  sha256: 0x000b,
  sha384: 0x000c,
  sha512: 0x000d,
} as const satisfies Record<HashAlgorithm, number>;

/** Not extended into any register. */
export const EV_NO_ACTION = 0x0000_0003;
/** The register of a record that is of none: an EV_NO_ACTION; with any other type the rest of the area is unused. */
export const NO_REGISTER = 0xffff_ffff;

/** Event types by number. @see TCG PC Client Platform Firmware Profile, "Event Types" */
export const EVENT_TYPES: Readonly<Record<number, string>> = {
  0x00: "EV_PREBOOT_CERT",
  0x01: "EV_POST_CODE",
  0x02: "EV_UNUSED",
  0x03: "EV_NO_ACTION",
  0x04: "EV_SEPARATOR",
  0x05: "EV_ACTION",
  0x06: "EV_EVENT_TAG",
  0x07: "EV_S_CRTM_CONTENTS",
  0x08: "EV_S_CRTM_VERSION",
  0x09: "EV_CPU_MICROCODE",
  0x0a: "EV_PLATFORM_CONFIG_FLAGS",
  0x0b: "EV_TABLE_OF_DEVICES",
  0x0c: "EV_COMPACT_HASH",
  0x0d: "EV_IPL",
  0x0e: "EV_IPL_PARTITION_DATA",
  0x0f: "EV_NONHOST_CODE",
  0x10: "EV_NONHOST_CONFIG",
  0x11: "EV_NONHOST_INFO",
  0x12: "EV_OMIT_BOOT_DEVICE_EVENTS",
  0x13: "EV_POST_CODE2",
  0x8000_0001: "EV_EFI_VARIABLE_DRIVER_CONFIG",
  0x8000_0002: "EV_EFI_VARIABLE_BOOT",
  0x8000_0003: "EV_EFI_BOOT_SERVICES_APPLICATION",
  0x8000_0004: "EV_EFI_BOOT_SERVICES_DRIVER",
  0x8000_0005: "EV_EFI_RUNTIME_SERVICES_DRIVER",
  0x8000_0006: "EV_EFI_GPT_EVENT",
  0x8000_0007: "EV_EFI_ACTION",
  0x8000_0008: "EV_EFI_PLATFORM_FIRMWARE_BLOB",
  0x8000_0009: "EV_EFI_HANDOFF_TABLES",
  0x8000_000a: "EV_EFI_PLATFORM_FIRMWARE_BLOB2",
  0x8000_000b: "EV_EFI_HANDOFF_TABLES2",
  0x8000_000c: "EV_EFI_VARIABLE_BOOT2",
  0x8000_000d: "EV_EFI_GPT_EVENT2",
  0x8000_0010: "EV_EFI_HCRTM_EVENT",
  0x8000_00e0: "EV_EFI_VARIABLE_AUTHORITY",
  0x8000_00e1: "EV_EFI_SPDM_FIRMWARE_BLOB",
  0x8000_00e2: "EV_EFI_SPDM_FIRMWARE_CONFIG",
  0x8000_00e3: "EV_EFI_SPDM_DEVICE_POLICY",
  0x8000_00e4: "EV_EFI_SPDM_DEVICE_AUTHORITY",
};

/** Limits of what a reader accepts; real logs have tens of kilobytes and hundreds of events. */
export const LOG_LIMITS = { sizeBytes: 1 << 24, events: 1 << 16, algorithms: 16 } as const;
