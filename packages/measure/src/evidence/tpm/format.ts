import { record, u16be, u32be, u64be, u8 } from "@cvm-build/bytes";

/** Head of a TPMS_ATTEST. @see TPM 2.0 Library, Part 2, "TPMS_ATTEST" */
export const AttestHeader = record("TPMS_ATTEST", 6, {
  magic: [0x00, u32be],
  type: [0x04, u16be],
});

/** What stands in a TPMS_ATTEST between its data and the attested. @see as above, "TPMS_CLOCK_INFO" */
export const AttestClock = record("TPMS_CLOCK_INFO", 25, {
  clock: [0x00, u64be],
  resetCount: [0x08, u32be],
  restartCount: [0x0c, u32be],
  safe: [0x10, u8],
  firmwareVersion: [0x11, u64be],
});

/** `magic` of what a TPM itself made. */
export const TPM_GENERATED_VALUE = 0xff54_4347;
/** `type` of a quote. */
export const TPM_ST_ATTEST_QUOTE = 0x8018;

/** Limits of what is read: no TPM has more banks, or PCRs in one. @see TPM 2.0 Library, Part 2, "TPMS_PCR_SELECTION" */
export const QUOTE_LIMITS = { selections: 16, selectBytes: 4 } as const;

/**
 * `tpm2_quote --pcrs` and `tpm2_pcrread --output` write structures of tpm2-tss as they are in memory, little-endian: a
 * TPML_PCR_SELECTION, a count, and that many TPML_DIGESTs of at most eight digests each.
 * @see tpm2-tools, tpm2_quote(1), "--pcrs_format"
 */
export const SERIALIZED_PCRS = {
  selections: 16,
  /** hash, size, four bytes of bits, and one that aligns. */
  selectionBytes: 8,
  digestsOfList: 8,
  digestBufferBytes: 64,
} as const;
