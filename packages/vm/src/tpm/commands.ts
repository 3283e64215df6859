import { DIGEST_SIZE_BYTES, FormatError, HASH_ALGORITHMS, type HashAlgorithm, type ValueOf } from "@cvm-build/bytes";
import { VmError } from "../errors.ts";
import {
  BANK_ALGORITHM_IDS,
  CAPABILITY_PCRS,
  CapabilityPrefix,
  CommandCode,
  DigestSize,
  GetCapabilityParameters,
  ListCount,
  PCR_COUNT,
  PcrReadPrefix,
  PcrSelection,
  RC_INITIALIZE,
  TAG_NO_SESSIONS,
  TpmHeader,
} from "./format.ts";

/** More than the hash algorithms that TCG has registered. */
const MAX_BANKS = 16;

/** A part of a bank's registers, as one TPM2_PCR_Read returns it. */
export interface PcrReadResult {
  /** Counts the extensions of all registers. */
  updateCounter: number;
  /** Register index to lower-case hex; the TPM may return fewer than were asked for. */
  values: Map<number, string>;
}

/** The command that asks for the allocated banks. */
export function encodeGetBanks(): Buffer {
  const parameters = GetCapabilityParameters.encode({ capability: CAPABILITY_PCRS, property: 0, propertyCount: 64 });
  return encodeCommand(CommandCode.getCapability, parameters);
}

/** The command that reads registers `indexes` of one bank. */
export function encodePcrRead(bank: HashAlgorithm, indexes: readonly number[]): Buffer {
  const pcrSelect = Buffer.alloc(PCR_COUNT / 8);
  for (const index of indexes) pcrSelect[index >> 3] = (pcrSelect[index >> 3] ?? 0) | (1 << (index & 7));
  return encodeCommand(
    CommandCode.pcrRead,
    Buffer.concat([
      ListCount.encode({ count: 1 }),
      PcrSelection.encode({ hash: BANK_ALGORITHM_IDS[bank], sizeofSelect: pcrSelect.length, pcrSelect }),
    ]),
  );
}

/**
 * The allocated banks that cvm-build knows, in its own order.
 * @throws VmError `evidence` where the TPM answers with an error; FormatError where the answer is malformed
 */
export function decodeBanks(response: Buffer): HashAlgorithm[] {
  checkResponse(response, "TPM2_GetCapability");
  let offset = TpmHeader.sizeBytes;
  const { count } = CapabilityPrefix.decode(response, offset);
  offset += CapabilityPrefix.sizeBytes;
  if (count > MAX_BANKS) throw new FormatError({ record: "TPML_PCR_SELECTION", field: "count" }, `got ${count} banks`);
  const allocated = new Set<number>();
  for (let bank = 0; bank < count; bank++) {
    const selection = decodeSelection(response, offset);
    offset += PcrSelection.sizeBytes;
    if (selection.pcrSelect.some((octet) => octet !== 0)) allocated.add(selection.hash);
  }
  return HASH_ALGORITHMS.filter((bank) => allocated.has(BANK_ALGORITHM_IDS[bank]));
}

/**
 * What TPM2_PCR_Read returned of one bank.
 * @throws VmError `evidence` where the TPM answers with an error; FormatError where the answer is malformed
 */
export function decodePcrRead(response: Buffer, bank: HashAlgorithm): PcrReadResult {
  checkResponse(response, "TPM2_PCR_Read");
  let offset = TpmHeader.sizeBytes;
  const { pcrUpdateCounter, count } = PcrReadPrefix.decode(response, offset);
  offset += PcrReadPrefix.sizeBytes;
  if (count > 1)
    throw new FormatError({ record: "TPML_PCR_SELECTION", field: "count" }, `expected 1 bank, got ${count}`);
  const indexes = count === 0 ? [] : selectedIndexes(decodeSelection(response, offset).pcrSelect);
  offset += count * PcrSelection.sizeBytes;
  const digests = ListCount.decode(response, offset).count;
  offset += ListCount.sizeBytes;
  if (digests !== indexes.length) {
    throw new FormatError({ record: "TPML_DIGEST", field: "count" }, `expected ${indexes.length}, got ${digests}`);
  }
  const values = new Map<number, string>();
  for (const index of indexes) {
    const { sizeBytes } = DigestSize.decode(response, offset);
    offset += DigestSize.sizeBytes;
    if (sizeBytes !== DIGEST_SIZE_BYTES[bank] || offset + sizeBytes > response.length) {
      throw new FormatError({ record: "TPM2B_DIGEST", field: "size", offsetBytes: offset }, `got ${sizeBytes}`);
    }
    values.set(index, response.toString("hex", offset, offset + sizeBytes));
    offset += sizeBytes;
  }
  return { updateCounter: pcrUpdateCounter, values };
}

/** Says whether the TPM refused a command only because nobody has started it yet. */
export function isNotStarted(response: Buffer): boolean {
  return TpmHeader.decode(response).code === RC_INITIALIZE;
}

function encodeCommand(code: number, parameters: Buffer): Buffer {
  const sizeBytes = TpmHeader.sizeBytes + parameters.length;
  return Buffer.concat([TpmHeader.encode({ tag: TAG_NO_SESSIONS, sizeBytes, code }), parameters]);
}

function checkResponse(response: Buffer, command: string): void {
  const { code } = TpmHeader.decode(response);
  if (code === 0) return;
  const got =
    code === RC_INITIALIZE ? "a TPM that the firmware has not started" : `response code 0x${code.toString(16)}`;
  throw new VmError("evidence", `cannot read PCRs with "${command}": expected success, got ${got}`);
}

function decodeSelection(response: Buffer, offset: number): ValueOf<typeof PcrSelection> {
  const selection = PcrSelection.decode(response, offset);
  if (selection.sizeofSelect === PCR_COUNT / 8) return selection;
  throw new FormatError(
    { record: "TPMS_PCR_SELECTION", field: "sizeofSelect", offsetBytes: offset },
    `expected ${PCR_COUNT / 8}, got ${selection.sizeofSelect}`,
  );
}

function selectedIndexes(pcrSelect: Buffer): number[] {
  const all = Array.from({ length: PCR_COUNT }, (_, index) => index);
  return all.filter((index) => ((pcrSelect[index >> 3] ?? 0) >> (index & 7)) & 1);
}
