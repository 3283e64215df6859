import { DIGEST_SIZE_BYTES, FormatError, type HashAlgorithm, HASH_ALGORITHMS } from "@cvm-build/bytes";
import {
  CCEL_TABLE_SIGNATURE,
  CRYPTO_AGILE_SIGNATURE,
  EV_NO_ACTION,
  EVENT_TYPES,
  HASH_ALGORITHM_IDS,
  LOG_LIMITS,
  NO_REGISTER,
  PcrEvent2Header,
  PcrEventHeader,
  SpecIdAlgorithm,
  SpecIdEvent,
} from "./format.ts";

/** One record of a log. */
export interface LoggedEvent {
  /** PCR of a TPM's log; CC measurement register index of a CCEL. */
  register: number;
  eventType: number;
  /** The type's name, or `0x…` where it has none. */
  typeName: string;
  /** Lower-case hex, of the algorithms that are known. */
  digests: Partial<Record<HashAlgorithm, string>>;
  /** What the log says about the event; not always what was hashed. */
  data: Buffer;
  /** Where the record starts in the log. */
  offsetBytes: number;
}

/** An event log, decoded. */
export interface EventLog {
  /** `sha1` logs have one digest an event. */
  format: "sha1" | "crypto-agile";
  /** Known algorithms that events have digests of. */
  algorithms: HashAlgorithm[];
  /** In the order in which they happened; the specification record of a crypto-agile log is not among them. */
  events: LoggedEvent[];
  /** Up to where there were records of registers; the rest of the area is unused. */
  usedBytes: number;
}

/**
 * Decodes a TCG event log or the CC event log of a confidential VM (CCEL), which has the same layout. Padding after the
 * last record is allowed; digests of unknown algorithms are skipped by the size that the log declares.
 * @throws FormatError where a record leaves the log, or digests are of an algorithm that the log does not declare
 * @see TCG PC Client Platform Firmware Profile, "Event Logging"; UEFI 2.10, "Confidential Computing"
 */
export function readEventLog(bytes: Uint8Array): EventLog {
  const log = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (log.length > LOG_LIMITS.sizeBytes) {
    throw new FormatError({ record: "event log" }, `expected at most ${LOG_LIMITS.sizeBytes} bytes, got ${log.length}`);
  }
  refuseCcelTable(log);
  const first = readPcrEvent(log, 0);
  const isCryptoAgile =
    first.event.eventType === EV_NO_ACTION &&
    first.event.data.subarray(0, CRYPTO_AGILE_SIGNATURE.length).equals(CRYPTO_AGILE_SIGNATURE);
  if (!isCryptoAgile) {
    return { format: "sha1", algorithms: ["sha1"], ...readRecords(log, { from: 0, read: readPcrEvent }) };
  }
  const sizes = readDigestSizes(first.event.data);
  const read = (buffer: Buffer, offset: number) => readPcrEvent2(buffer, offset, sizes);
  return {
    format: "crypto-agile",
    algorithms: HASH_ALGORITHMS.filter((name) => sizes.has(HASH_ALGORITHM_IDS[name])),
    ...readRecords(log, { from: first.end, read }),
  };
}

/** A record and where the next one starts. */
interface ReadEvent {
  event: LoggedEvent;
  end: number;
}

function readRecords(
  log: Buffer,
  records: { from: number; read: (log: Buffer, offset: number) => ReadEvent },
): Pick<EventLog, "events" | "usedBytes"> {
  const events: LoggedEvent[] = [];
  let usedBytes = records.from;
  let count = 0;
  for (let offset = records.from; !isEnd(log, offset); count++) {
    if (count === LOG_LIMITS.events) {
      throw new FormatError(
        { record: "event log", offsetBytes: offset },
        `expected at most ${LOG_LIMITS.events} events`,
      );
    }
    const { event, end } = records.read(log, offset);
    offset = end;
    // What is logged for no register, such as Windows' "AIK" notes, says nothing of any.
    if (event.register === NO_REGISTER) continue;
    events.push(event);
    usedBytes = end;
  }
  return { events, usedBytes };
}

/** The area after the last record is absent, zeros or 0xff. */
function isEnd(log: Buffer, offset: number): boolean {
  if (offset === log.length) return true;
  const head = log.subarray(offset, offset + PcrEventHeader.sizeBytes);
  if (head.every((byte) => byte === 0)) return true;
  if (head.length < 4 || head.readUInt32LE() !== NO_REGISTER) return head.every((byte) => byte === 0xff);
  return head.length < 8 || head.readUInt32LE(4) !== EV_NO_ACTION;
}

/** @throws FormatError where the bytes are the ACPI table that only says where a CCEL is */
function refuseCcelTable(log: Buffer): void {
  if (log.subarray(0, CCEL_TABLE_SIGNATURE.length).equals(CCEL_TABLE_SIGNATURE)) {
    throw new FormatError({ record: "event log" }, "expected a log, got the ACPI table that says where it is", {
      hint: "the log itself is /sys/firmware/acpi/tables/data/CCEL",
    });
  }
}

function readPcrEvent(log: Buffer, offset: number): ReadEvent {
  const { register, eventType, digest, eventSizeBytes } = PcrEventHeader.decode(log, offset);
  const dataOffset = offset + PcrEventHeader.sizeBytes;
  const data = readData(log, { offset: dataOffset, sizeBytes: eventSizeBytes, recordOffset: offset });
  const event = describe({ register, eventType, digests: { sha1: digest.toString("hex") }, data, offsetBytes: offset });
  return { event, end: dataOffset + eventSizeBytes };
}

function readPcrEvent2(log: Buffer, offset: number, sizes: ReadonlyMap<number, number>): ReadEvent {
  const { register, eventType, digestCount } = PcrEvent2Header.decode(log, offset);
  if (digestCount > sizes.size) {
    throw new FormatError(
      { record: "TCG_PCR_EVENT2", field: "digestCount", offsetBytes: offset },
      `expected at most the ${sizes.size} algorithms that the log declares, got ${digestCount}`,
    );
  }
  const digests: LoggedEvent["digests"] = {};
  let at = offset + PcrEvent2Header.sizeBytes;
  for (let index = 0; index < digestCount; index++) {
    const id = readData(log, { offset: at, sizeBytes: 2, recordOffset: offset }).readUInt16LE();
    const sizeBytes = sizes.get(id);
    if (sizeBytes === undefined) {
      throw new FormatError(
        { record: "TCG_PCR_EVENT2", field: "digests", offsetBytes: at },
        `expected an algorithm that the log declares, got 0x${id.toString(16)}`,
      );
    }
    const digest = readData(log, { offset: at + 2, sizeBytes, recordOffset: offset });
    const name = HASH_ALGORITHMS.find((algorithm) => HASH_ALGORITHM_IDS[algorithm] === id);
    if (name) digests[name] = digest.toString("hex");
    at += 2 + sizeBytes;
  }
  const eventSizeBytes = readData(log, { offset: at, sizeBytes: 4, recordOffset: offset }).readUInt32LE();
  const data = readData(log, { offset: at + 4, sizeBytes: eventSizeBytes, recordOffset: offset });
  return {
    event: describe({ register, eventType, digests, data, offsetBytes: offset }),
    end: at + 4 + eventSizeBytes,
  };
}

function readDigestSizes(data: Buffer): Map<number, number> {
  const { algorithmCount } = SpecIdEvent.decode(data);
  if (algorithmCount === 0 || algorithmCount > LOG_LIMITS.algorithms) {
    throw new FormatError(
      { record: "TCG_EfiSpecIdEvent", field: "algorithmCount" },
      `expected 1..${LOG_LIMITS.algorithms}, got ${algorithmCount}`,
    );
  }
  const sizes = new Map<number, number>();
  for (let index = 0; index < algorithmCount; index++) {
    const offset = SpecIdEvent.sizeBytes + index * SpecIdAlgorithm.sizeBytes;
    const { algorithmId, digestSizeBytes } = SpecIdAlgorithm.decode(data, offset);
    const known = HASH_ALGORITHMS.find((name) => HASH_ALGORITHM_IDS[name] === algorithmId);
    if (known && digestSizeBytes !== DIGEST_SIZE_BYTES[known]) {
      throw new FormatError(
        { record: "TCG_EfiSpecIdEventAlgorithmSize", field: "digestSizeBytes", offsetBytes: offset },
        `expected ${DIGEST_SIZE_BYTES[known]} bytes for ${known}, got ${digestSizeBytes}`,
      );
    }
    sizes.set(algorithmId, digestSizeBytes);
  }
  return sizes;
}

function describe(event: Omit<LoggedEvent, "typeName">): LoggedEvent {
  return { ...event, typeName: EVENT_TYPES[event.eventType] ?? `0x${event.eventType.toString(16)}` };
}

function readData(log: Buffer, place: { offset: number; sizeBytes: number; recordOffset: number }): Buffer {
  const { offset, sizeBytes, recordOffset } = place;
  if (offset + sizeBytes > log.length) {
    throw new FormatError(
      { record: "event log", offsetBytes: recordOffset },
      `expected a record that ends within ${log.length} bytes, got one that ends at ${offset + sizeBytes}`,
    );
  }
  return log.subarray(offset, offset + sizeBytes);
}
