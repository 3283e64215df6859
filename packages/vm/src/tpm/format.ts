import { record, raw, u16be, u32be, u8 } from "@cvm-build/bytes";

/**
 * Header of every command and response; `code` is the command code or the response code.
 * @see TCG TPM 2.0 Library, Part 1, "Command/Response Structure"
 */
export const TpmHeader = record("TpmHeader", 10, {
  tag: [0x00, u16be],
  sizeBytes: [0x02, u32be],
  code: [0x06, u32be],
});

/** One bank and the registers chosen of it: TPMS_PCR_SELECTION with the three octets that a PC client's 24 registers need. */
export const PcrSelection = record("TPMS_PCR_SELECTION", 6, {
  hash: [0x00, u16be],
  sizeofSelect: [0x02, u8],
  pcrSelect: [0x03, raw(3)],
});

/** TPM2_GetCapability's parameters. @see TCG TPM 2.0 Library, Part 3, TPM2_GetCapability */
export const GetCapabilityParameters = record("TPM2_GetCapability", 12, {
  capability: [0x00, u32be],
  property: [0x04, u32be],
  propertyCount: [0x08, u32be],
});

/** What TPM2_GetCapability returns before the list. */
export const CapabilityPrefix = record("TPMS_CAPABILITY_DATA", 9, {
  moreData: [0x00, u8],
  capability: [0x01, u32be],
  count: [0x05, u32be],
});

/** What TPM2_PCR_Read returns before its selection list. */
export const PcrReadPrefix = record("TPM2_PCR_Read response", 8, {
  pcrUpdateCounter: [0x00, u32be],
  count: [0x04, u32be],
});

/** A list's length. */
export const ListCount = record("TPML count", 4, { count: [0x00, u32be] });

/** A digest's length, before its bytes. */
export const DigestSize = record("TPM2B_DIGEST", 2, { sizeBytes: [0x00, u16be] });

/** TPM_ST_NO_SESSIONS. */
export const TAG_NO_SESSIONS = 0x8001;
/** TPM2_GetCapability and TPM2_PCR_Read. */
export const CommandCode = { getCapability: 0x17a, pcrRead: 0x17e } as const;
/** TPM_CAP_PCRS: the banks that are allocated. */
export const CAPABILITY_PCRS = 5;
/** TPM_RC_INITIALIZE: no TPM2_Startup was sent yet. */
export const RC_INITIALIZE = 0x100;
/** Registers of a PC client TPM. */
export const PCR_COUNT = 24;

/** TPM_ALG_ID of each bank. @see TCG Algorithm Registry, table 3 */
export const BANK_ALGORITHM_IDS = { sha1: 0x0004, sha256: 0x000b, sha384: 0x000c, sha512: 0x000d } as const;
