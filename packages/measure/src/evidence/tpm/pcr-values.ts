import { DIGEST_SIZE_BYTES, FormatError, type HashAlgorithm, HASH_ALGORITHMS } from "@cvm-build/bytes";
import type { PcrValues } from "../../registers.ts";
import { Cursor } from "../cursor.ts";
import { SERIALIZED_PCRS } from "./format.ts";
import type { PcrSelection } from "../evidence.ts";
import { bankOf, selectedPcrs } from "./reader.ts";

/** Longest file of PCR values: one of text has some kilobytes. */
const MAX_BYTES = 1 << 20;
const TPM_PCRS = 24;

/**
 * Reads PCR values as programs write them: the text of `tpm2_pcrread`, what `tpm2_quote --pcrs` writes in either of its
 * formats, or JSON of banks, `{"sha256": {"11": "…"}}`.
 * @param selections what the values are of, where the file does not say: values one after another
 * @throws FormatError where it is none of these
 */
export function readPcrValues(bytes: Buffer, selections: readonly PcrSelection[] = []): PcrValues {
  if (bytes.length > MAX_BYTES) throw refuse(`expected at most ${MAX_BYTES} bytes, got ${bytes.length}`);
  const text = bytes.toString("latin1");
  if (/^\s*\{/.test(text)) return parseJson(text);
  if (/^[ \t]*(?:pcrs|sha1|sha256|sha384|sha512)[ \t]*:/m.test(text) && !text.includes("\0")) return parseListing(text);
  return isSerialized(bytes) ? readSerialized(bytes) : readConcatenated(bytes, selections);
}

/** Lines of `tpm2_pcrread`: a bank, then an index and a value each. */
function parseListing(text: string): PcrValues {
  const values: PcrValues = {};
  let bank: HashAlgorithm | undefined;
  for (const line of text.split("\n")) {
    const heading = /^\s*(\w+)\s*:\s*$/.exec(line)?.[1];
    if (heading !== undefined) bank = HASH_ALGORITHMS.find((name) => name === heading);
    const entry = /^\s*(\d{1,2})\s*:\s*(?:0x)?([0-9a-fA-F]+)\s*$/.exec(line);
    if (bank === undefined || entry === null) continue;
    put(values, { bank, pcr: Number(entry[1]), value: (entry[2] ?? "").toLowerCase() });
  }
  return values;
}

function parseJson(text: string): PcrValues {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw refuse("expected JSON, got a syntax error", cause);
  }
  const banks = HASH_ALGORITHMS.flatMap((bank) => {
    const values = entriesOf(document).find(([name]) => name.toLowerCase() === bank)?.[1];
    return values === undefined ? [] : [[bank, values] as const];
  });
  if (banks.length === 0) throw refuse(`expected banks by name, ${HASH_ALGORITHMS.join(", ")}, got none`);
  const values: PcrValues = {};
  for (const [bank, ofBank] of banks) {
    for (const [index, value] of entriesOf(ofBank)) {
      const digits = typeof value === "string" ? /^(?:0x)?([0-9a-fA-F]+)$/.exec(value)?.[1] : undefined;
      if (!/^\d{1,2}$/.test(index) || digits === undefined) throw refuse(`expected hex by index, got "${index}"`);
      put(values, { bank, pcr: Number(index), value: digits.toLowerCase() });
    }
  }
  return values;
}

/** Whether a TPML_PCR_SELECTION of tpm2-tss and as many digests as it has bits fill the bytes. */
function isSerialized(bytes: Buffer): boolean {
  const { selections, selectionBytes } = SERIALIZED_PCRS;
  const headBytes = 4 + selections * selectionBytes + 4;
  if (bytes.length < headBytes || bytes.readUInt32LE() > selections) return false;
  return bytes.length === headBytes + bytes.readUInt32LE(headBytes - 4) * digestListBytes();
}

function readSerialized(bytes: Buffer): PcrValues {
  const cursor = new Cursor("serialized PCR values", bytes);
  const count = cursor.u32le("count");
  const selections = Array.from({ length: SERIALIZED_PCRS.selections }, () =>
    cursor.bytes(SERIALIZED_PCRS.selectionBytes, "pcrSelections"),
  )
    .slice(0, count)
    .map((selection) => {
      const sizeBytes = Math.min(selection[2] ?? 0, 4);
      return { bank: bankOf(selection.readUInt16LE()), pcrs: selectedPcrs(selection.subarray(3, 3 + sizeBytes)) };
    });
  const digests: Buffer[] = [];
  for (let lists = cursor.u32le("lists"); lists > 0; lists--) digests.push(...readDigestList(cursor));
  const values: PcrValues = {};
  for (const { bank, pcrs } of selections) {
    for (const pcr of pcrs) {
      const value = digests.shift();
      if (value === undefined) throw cursor.error("digests", "expected as many as PCRs are selected, got fewer");
      if (bank) put(values, { bank, pcr, value: value.toString("hex") });
    }
  }
  return values;
}

function readDigestList(cursor: Cursor): Buffer[] {
  const count = cursor.u32le("TPML_DIGEST.count");
  const { digestsOfList, digestBufferBytes } = SERIALIZED_PCRS;
  if (count > digestsOfList) throw cursor.error("TPML_DIGEST.count", `expected at most ${digestsOfList}, got ${count}`);
  return Array.from({ length: digestsOfList }, () => {
    const sizeBytes = cursor.bytes(2, "TPM2B_DIGEST.size").readUInt16LE();
    return cursor.bytes(digestBufferBytes, "TPM2B_DIGEST.buffer").subarray(0, sizeBytes);
  }).slice(0, count);
}

function digestListBytes(): number {
  return 4 + SERIALIZED_PCRS.digestsOfList * (2 + SERIALIZED_PCRS.digestBufferBytes);
}

/** Values one after another, of what a quote selects. */
function readConcatenated(bytes: Buffer, selections: readonly PcrSelection[]): PcrValues {
  const cursor = new Cursor("PCR values", bytes);
  const values: PcrValues = {};
  for (const { bank, pcrs } of selections) {
    for (const pcr of pcrs) {
      put(values, { bank, pcr, value: cursor.bytes(DIGEST_SIZE_BYTES[bank], "values").toString("hex") });
    }
  }
  if (selections.length === 0 || cursor.leftBytes > 0) {
    throw refuse("expected what tpm2_pcrread or tpm2_quote write, or JSON, got something else");
  }
  return values;
}

function put(values: PcrValues, { bank, pcr, value }: { bank: HashAlgorithm; pcr: number; value: string }): void {
  if (pcr >= TPM_PCRS) throw refuse(`expected PCRs below ${TPM_PCRS}, got ${pcr}`);
  const digits = DIGEST_SIZE_BYTES[bank] * 2;
  if (value.length !== digits) throw refuse(`expected ${digits} digits for ${bank}, got ${value.length}`);
  values[bank] = { ...values[bank], [pcr]: value };
}

function entriesOf(value: unknown): [string, unknown][] {
  return typeof value === "object" && value !== null ? Object.entries(value) : [];
}

function refuse(expectation: string, cause?: unknown): FormatError {
  return new FormatError({ record: "PCR values" }, expectation, cause === undefined ? {} : { cause });
}
