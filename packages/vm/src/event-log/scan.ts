import { DIGEST_SIZE_BYTES, type HashAlgorithm } from "@cvm-build/bytes";
import { BANK_ALGORITHM_IDS, PCR_COUNT } from "../tpm/format.ts";

/**
 * One entry of a log as far as finding the log needs it: which register, which digests, and its own bytes.
 * What the entry says is for the event-log reader of `measure`.
 */
export interface LogEntry {
  pcr: number;
  type: number;
  /** Digest by bank, as a view of the scanned bytes. */
  digests: Map<HashAlgorithm, Buffer>;
  data: Buffer;
  /** The whole TCG_PCR_EVENT2. */
  bytes: Buffer;
}

/** A run of bytes in guest memory that reads as a log. */
export interface LogCandidate {
  /** The TCG_PCR_EVENT of the header, EV_NO_ACTION with TCG_EfiSpecIdEvent. */
  header: Buffer;
  banks: readonly HashAlgorithm[];
  entries: readonly LogEntry[];
}

/** EV_NO_ACTION: an entry that extends nothing. */
export const EV_NO_ACTION = 3;

/** What begins TCG_EfiSpecIdEvent. @see TCG PC Client Platform Firmware Profile, section 10.4.5.1 */
export const SPEC_ID_SIGNATURE = Buffer.from("Spec ID Event03\0", "latin1");
/** Where the signature is in the TCG_PCR_EVENT that carries it: index, type, SHA-1 digest, size. */
export const SPEC_ID_OFFSET_BYTES = 32;

/** What is read after a header: firmware reserves 64 KiB, a log with many Secure Boot certificates takes a few times that. */
export const MAX_LOG_BYTES = 1 << 20;
const MAX_ENTRIES = 4096;
const MAX_EVENT_DATA_BYTES = 1 << 19;
const MAX_ALGORITHMS = 8;

const ALGORITHMS_BY_ID = new Map<number, HashAlgorithm>(
  Object.entries(BANK_ALGORITHM_IDS).map(([name, id]) => [id, name as HashAlgorithm]),
);

/**
 * Reads the log that begins at the start of `bytes`, up to the first thing that is no entry.
 * Unlike a decoder it refuses nothing: memory may hold half of a log that something else has overwritten.
 * @returns undefined where no log begins there
 */
export function scanLog(bytes: Buffer): LogCandidate | undefined {
  const header = scanHeader(bytes);
  if (header === undefined) return undefined;
  return { ...header, entries: scanEntries(bytes.subarray(header.header.length), header.banks) };
}

/**
 * Reads consecutive entries, up to the first thing that is none.
 * @param banks the digests that each entry has
 */
export function scanEntries(bytes: Buffer, banks: readonly HashAlgorithm[]): LogEntry[] {
  const entries: LogEntry[] = [];
  let offset = 0;
  while (entries.length < MAX_ENTRIES) {
    const entry = scanEntry(bytes.subarray(offset), banks);
    if (entry === undefined) break;
    entries.push(entry);
    offset += entry.bytes.length;
  }
  return entries;
}

function scanHeader(bytes: Buffer): Pick<LogCandidate, "header" | "banks"> | undefined {
  const countAt = SPEC_ID_OFFSET_BYTES + 24;
  if (bytes.length < countAt + 4 || bytes.readUInt32LE(0) !== 0 || bytes.readUInt32LE(4) !== EV_NO_ACTION)
    return undefined;
  const signature = bytes.subarray(SPEC_ID_OFFSET_BYTES, SPEC_ID_OFFSET_BYTES + SPEC_ID_SIGNATURE.length);
  if (!signature.equals(SPEC_ID_SIGNATURE)) return undefined;
  const sizeBytes = SPEC_ID_OFFSET_BYTES + bytes.readUInt32LE(SPEC_ID_OFFSET_BYTES - 4);
  const count = bytes.readUInt32LE(countAt);
  if (count === 0 || count > MAX_ALGORITHMS || countAt + 4 + 4 * count > sizeBytes || sizeBytes > bytes.length) {
    return undefined;
  }
  const banks: HashAlgorithm[] = [];
  for (let index = 0; index < count; index++) {
    const bank = ALGORITHMS_BY_ID.get(bytes.readUInt16LE(countAt + 4 + 4 * index));
    if (bank === undefined || bytes.readUInt16LE(countAt + 6 + 4 * index) !== DIGEST_SIZE_BYTES[bank]) return undefined;
    banks.push(bank);
  }
  return { header: bytes.subarray(0, sizeBytes), banks };
}

/** One TCG_PCR_EVENT2. @see TCG PC Client Platform Firmware Profile, section 10.2.2 */
function scanEntry(bytes: Buffer, banks: readonly HashAlgorithm[]): LogEntry | undefined {
  if (bytes.length < 12) return undefined;
  const pcr = bytes.readUInt32LE(0);
  const count = bytes.readUInt32LE(8);
  if (pcr >= PCR_COUNT || count === 0 || count > banks.length) return undefined;
  const digests = new Map<HashAlgorithm, Buffer>();
  let offset = 12;
  for (let index = 0; index < count; index++) {
    if (offset + 2 > bytes.length) return undefined;
    const bank = ALGORITHMS_BY_ID.get(bytes.readUInt16LE(offset));
    if (bank === undefined || !banks.includes(bank) || digests.has(bank)) return undefined;
    digests.set(bank, bytes.subarray(offset + 2, offset + 2 + DIGEST_SIZE_BYTES[bank]));
    offset += 2 + DIGEST_SIZE_BYTES[bank];
  }
  if (offset + 4 > bytes.length) return undefined;
  const end = offset + 4 + bytes.readUInt32LE(offset);
  if (end > bytes.length || end - offset > MAX_EVENT_DATA_BYTES) return undefined;
  return {
    pcr,
    type: bytes.readUInt32LE(4),
    digests,
    data: bytes.subarray(offset + 4, end),
    bytes: bytes.subarray(0, end),
  };
}
