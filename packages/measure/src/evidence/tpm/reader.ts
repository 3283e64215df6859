import { DIGEST_SIZE_BYTES, digest, type HashAlgorithm, HASH_ALGORITHMS } from "@cvm-build/bytes";
import { HASH_ALGORITHM_IDS } from "../../eventlog/format.ts";
import type { PcrValues } from "../../registers.ts";
import { Cursor } from "../cursor.ts";
import { type Evidence, emptyEvidence, fieldsOf, type PcrQuote, type PcrSelection } from "../evidence.ts";
import { AttestClock, AttestHeader, QUOTE_LIMITS, TPM_GENERATED_VALUE, TPM_ST_ATTEST_QUOTE } from "./format.ts";

/** Whether bytes begin as a quote of a TPM does, with or without the size before it. */
export function isTpmQuote(bytes: Buffer): boolean {
  return isAttest(bytes) || isSizedAttest(bytes);
}

/**
 * Decodes a TPM's quote: a TPMS_ATTEST, alone or as a TPM2B_ATTEST. The values that it is of are not in it.
 * @throws FormatError where it ends early or goes on, is no quote, or is of banks that are not known
 * @see TPM 2.0 Library, Part 2, "TPMS_ATTEST", "TPMS_QUOTE_INFO"
 */
export function readTpmQuote(bytes: Buffer): Evidence {
  const cursor = new Cursor("TPMS_ATTEST", isSizedAttest(bytes) ? bytes.subarray(2) : bytes);
  const { magic, type } = cursor.record(AttestHeader);
  if (magic !== TPM_GENERATED_VALUE) {
    throw cursor.error("magic", `expected 0x${TPM_GENERATED_VALUE.toString(16)}, got 0x${magic.toString(16)}`);
  }
  if (type !== TPM_ST_ATTEST_QUOTE) {
    throw cursor.error("type", `expected a quote, 0x8018, got 0x${type.toString(16)}`);
  }
  const qualifiedSigner = readSized(cursor, "qualifiedSigner");
  const extraData = readSized(cursor, "extraData");
  const clock = cursor.record(AttestClock);
  const selections = readSelections(cursor);
  const pcrDigest = readSized(cursor, "pcrDigest");
  if (cursor.leftBytes > 0) throw cursor.error("pcrDigest", `expected the end, got ${cursor.leftBytes} more bytes`);
  if (hashOfSize(pcrDigest.length) === undefined) {
    throw cursor.error("pcrDigest", `expected 20, 32, 48 or 64 bytes, got ${pcrDigest.length}`);
  }
  return {
    ...emptyEvidence("tpm-quote", `TPM 2.0 quote of ${describeSelections(selections)}`),
    pcrQuotes: [{ selections, pcrDigest: pcrDigest.toString("hex") }],
    fields: fieldsOf({ qualifiedSigner, extraData, ...clock, pcrDigest }),
    unchecked: ["the quote's signature, and whose key it is", "the nonce in extraData"],
  };
}

/** `sha256:0,1,7+sha1:0`, as tpm2-tools write it. */
export function describeSelections(selections: readonly PcrSelection[]): string {
  return selections.map(({ bank, pcrs }) => `${bank}:${pcrs.join(",")}`).join("+");
}

/**
 * The digest that a TPM would quote of these values, or undefined where one is missing.
 * @see TPM 2.0 Library, Part 3, "TPM2_Quote"
 */
export function quotedDigest({ selections, pcrDigest }: PcrQuote, values: PcrValues): string | undefined {
  const hash = hashOfSize(pcrDigest.length / 2);
  const parts = selections.flatMap(({ bank, pcrs }) => pcrs.map((pcr) => values[bank]?.[pcr]));
  if (hash === undefined || parts.includes(undefined)) return undefined;
  return digest(hash, Buffer.from(parts.join(""), "hex")).toString("hex");
}

/**
 * A quote with the values that it is said to be of. Those that it does not select are left out, since it says nothing of
 * them.
 */
export function withPcrValues(evidence: Evidence, values: PcrValues): Evidence {
  const pcr: PcrValues = { ...evidence.registers.pcr };
  for (const { bank, pcrs } of evidence.pcrQuotes.flatMap(({ selections }) => selections)) {
    const selected = pcrs.flatMap((index) => {
      const value = values[bank]?.[index];
      return value === undefined ? [] : [[index, value] as const];
    });
    pcr[bank] = { ...pcr[bank], ...Object.fromEntries(selected) };
  }
  const checks = evidence.pcrQuotes.map((quote) => ({
    what: `the PCR values of ${describeSelections(quote.selections)} hash to the quoted digest`,
    holds: quotedDigest(quote, values) === quote.pcrDigest,
  }));
  return { ...evidence, registers: { ...evidence.registers, pcr }, checks: [...evidence.checks, ...checks] };
}

/** Bits of a TPMS_PCR_SELECTION as indexes. */
export function selectedPcrs(bits: Buffer): number[] {
  return Array.from({ length: bits.length * 8 }, (_, pcr) => pcr).filter(
    (pcr) => ((bits[pcr >> 3] ?? 0) & (1 << (pcr & 7))) !== 0,
  );
}

/** The bank of an algorithm's id, or undefined where it is not known. */
export function bankOf(id: number): HashAlgorithm | undefined {
  return HASH_ALGORITHMS.find((name) => HASH_ALGORITHM_IDS[name] === id);
}

function readSelections(cursor: Cursor): PcrSelection[] {
  const count = cursor.u32be("pcrSelect.count");
  if (count > QUOTE_LIMITS.selections) {
    throw cursor.error("pcrSelect.count", `expected at most ${QUOTE_LIMITS.selections}, got ${count}`);
  }
  return Array.from({ length: count }, () => {
    const id = cursor.u16be("pcrSelect.hash");
    const bank = bankOf(id);
    const size = cursor.u8("pcrSelect.sizeofSelect");
    if (size > QUOTE_LIMITS.selectBytes) {
      throw cursor.error("pcrSelect.sizeofSelect", `expected at most ${QUOTE_LIMITS.selectBytes}, got ${size}`);
    }
    const pcrs = selectedPcrs(cursor.bytes(size, "pcrSelect.pcrSelect"));
    if (bank === undefined) throw cursor.error("pcrSelect.hash", `expected a known bank, got 0x${id.toString(16)}`);
    return { bank, pcrs };
  });
}

function readSized(cursor: Cursor, field: string): Buffer {
  return cursor.bytes(cursor.u16be(field), field);
}

function isAttest(bytes: Buffer): boolean {
  return bytes.length >= 4 && bytes.readUInt32BE() === TPM_GENERATED_VALUE;
}

function isSizedAttest(bytes: Buffer): boolean {
  return bytes.length >= 6 && bytes.readUInt16BE() === bytes.length - 2 && isAttest(bytes.subarray(2));
}

function hashOfSize(sizeBytes: number): HashAlgorithm | undefined {
  return HASH_ALGORITHMS.find((name) => DIGEST_SIZE_BYTES[name] === sizeBytes);
}
