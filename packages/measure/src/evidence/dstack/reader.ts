import { FormatError } from "@cvm-build/bytes";
import { Cursor } from "../cursor.ts";
import { type Evidence, emptyEvidence, joinEvidence } from "../evidence.ts";
import { bytesOfHex } from "../hex.ts";
import { isNitroDocument, readNitroDocument } from "../nitro/reader.ts";
import { isSnpReport, readSnpReport } from "../snp/reader.ts";
import { isTdxQuote, readTdxQuote } from "../tdx/reader.ts";
import { type DstackEvent, eventLogOf, parseDstackLog, runtimeEventsHold } from "./event-log.ts";
import { DSTACK_LIMITS, VARIANTS, VERSION_0 } from "./format.ts";

const RECORD = "dstack attestation";

/** What the content of a binary attestation begins as, by variant. */
const CONTENTS: Readonly<Record<number, (bytes: Buffer) => boolean>> = {
  [VARIANTS.tdx]: isTdxQuote,
  [VARIANTS.gcpTdx]: isTdxQuote,
  [VARIANTS.nitroEnclave]: isNitroDocument,
  [VARIANTS.snp]: isSnpReport,
  [VARIANTS.nitroTpm]: isNitroDocument,
};

/** Whether text is JSON with an attestation or a quote of dstack's. */
export function isDstackJson(bytes: Buffer): boolean {
  return /^\s*\{[^]*"(?:quote|attestation)"\s*:\s*"/.test(bytes.toString("latin1"));
}

/** Whether bytes begin as a binary attestation of dstack's does, with a quote, a report or a document where it says. */
export function isDstackAttestation(bytes: Buffer): boolean {
  if (bytes.length < 6 || bytes[0] !== VERSION_0) return false;
  const is = CONTENTS[bytes[1] ?? 0];
  // Their sizes take four bytes, or two.
  return is !== undefined && [4, 6].some((offset) => is(bytes.subarray(offset)));
}

/**
 * Reads what dstack's guest agent answers: JSON with a TDX quote and its event log, or with an attestation in hex.
 * @throws FormatError where it is neither
 * @see dstack, guest-agent, "GetQuoteResponse"
 */
export function parseDstackJson(bytes: Buffer): Evidence {
  if (bytes.length > DSTACK_LIMITS.sizeBytes) throw refuse("JSON", `expected at most ${DSTACK_LIMITS.sizeBytes} bytes`);
  const document = parseJson(bytes.toString("utf8")) as Record<string, unknown>;
  const { quote, attestation, event_log: log, vm_config: config } = document;
  if (quote === undefined || quote === "") return readDstackAttestation(hexOf(attestation, "attestation"));
  const events = log === undefined ? [] : parseDstackLog(typeof log === "string" ? parseJson(log) : log);
  const evidence = withLog(readTdxQuote(hexOf(quote, "quote")), events);
  return typeof config === "string" ? { ...evidence, fields: { ...evidence.fields, vmConfig: config } } : evidence;
}

/**
 * Decodes a binary attestation of dstack's, of version 0. What follows the quote is not looked at.
 * @throws FormatError where it ends early, or is of a kind that is not known
 * @see dstack, dstack-attest, "VersionedAttestation"; Parity, "SCALE Codec"
 */
export function readDstackAttestation(bytes: Buffer): Evidence {
  const cursor = new Cursor(RECORD, bytes);
  const version = cursor.u8("version");
  if (version !== VERSION_0) throw cursor.error("version", `expected 0, got ${version}`);
  const variant = cursor.u8("variant");
  switch (variant) {
    case VARIANTS.tdx:
    case VARIANTS.gcpTdx:
      return withLog(readTdxQuote(readSized(cursor, "quote")), readEvents(cursor));
    case VARIANTS.snp:
      return wrap(readSnpReport(readSized(cursor, "report")));
    case VARIANTS.nitroEnclave:
    case VARIANTS.nitroTpm:
      return wrap(readNitroDocument(readSized(cursor, "document")));
    default:
      throw cursor.error("variant", `expected 0..4, got ${variant}`);
  }
}

function withLog(quote: Evidence, events: readonly DstackEvent[]): Evidence {
  const evidence = wrap(quote);
  if (events.length === 0) return evidence;
  return {
    ...evidence,
    checks: [
      ...evidence.checks,
      { what: "dstack's runtime events hash to their digests", holds: runtimeEventsHold(events) },
    ],
    log: { kind: "ccel", log: eventLogOf(events) },
  };
}

function wrap(inner: Evidence): Evidence {
  return joinEvidence(emptyEvidence("dstack-attestation", `dstack's attestation: ${inner.title}`), inner);
}

function readEvents(cursor: Cursor): DstackEvent[] {
  const count = readCompact(cursor, "event_log");
  if (count > DSTACK_LIMITS.events) throw cursor.error("event_log", `expected at most ${DSTACK_LIMITS.events} events`);
  return Array.from({ length: count }, () => ({
    imr: cursor.u32le("imr"),
    eventType: cursor.u32le("event_type"),
    digest: readSized(cursor, "digest"),
    event: readSized(cursor, "event").toString("utf8"),
    payload: readSized(cursor, "event_payload"),
  }));
}

function readSized(cursor: Cursor, field: string): Buffer {
  return cursor.bytes(readCompact(cursor, field), field);
}

/** A compact integer of up to 30 bits: the two low bits say how many bytes it takes. @see SCALE Codec, "Compact" */
function readCompact(cursor: Cursor, field: string): number {
  const first = cursor.u8(field);
  switch (first & 3) {
    case 0:
      return first >> 2;
    case 1:
      return (first >> 2) + cursor.u8(field) * 2 ** 6;
    case 2:
      return (first >> 2) + cursor.bytes(3, field).readUIntLE(0, 3) * 2 ** 6;
    default:
      throw cursor.error(field, "expected a size below 2^30");
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new FormatError({ record: RECORD }, "expected JSON, got a syntax error", { cause });
  }
}

function hexOf(value: unknown, field: string): Buffer {
  const bytes = typeof value === "string" ? bytesOfHex(value) : undefined;
  if (bytes === undefined) throw refuse(field, "expected hex");
  return bytes;
}

function refuse(field: string, expectation: string): FormatError {
  return new FormatError({ record: RECORD, field }, expectation);
}
