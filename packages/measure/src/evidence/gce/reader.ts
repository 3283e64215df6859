import { DIGEST_SIZE_BYTES, FormatError } from "@cvm-build/bytes";
import { readEventLog } from "../../eventlog/reader.ts";
import type { PcrValues } from "../../registers.ts";
import { type Evidence, emptyEvidence, joinEvidence } from "../evidence.ts";
import type { ProtoMessage } from "../protobuf/schema.ts";
import { parseProtoText } from "../protobuf/text.ts";
import { decodeProto } from "../protobuf/wire.ts";
import { guestStateOf } from "../snp/reader.ts";
import { tdStateOf } from "../tdx/reader.ts";
import { bankOf, readTpmQuote, withPcrValues } from "../tpm/reader.ts";
import { GCE_ATTESTATION, MAX_QUOTES } from "./format.ts";

const RECORD = "attest.Attestation";

/** Whether text begins as an attestation in the text format of protocol buffers does. */
export function isGceText(bytes: Buffer): boolean {
  return /^\s*(?:#[^\n]*\n\s*)*(?:ak_pub\s*:|quotes\s*[:{<])/.test(bytes.toString("latin1", 0, 4096));
}

/**
 * Decodes what `gotpm attest` writes on Google Compute Engine, binary or text: quotes of the vTPM with their values, the
 * event log, and the TEE's report.
 * @throws FormatError where it is no such message, or has neither quote nor report
 * @see go-tpm-tools, proto/attest.proto
 */
export function readGceAttestation(bytes: Buffer): Evidence {
  const message = isGceText(bytes)
    ? parseProtoText(RECORD, bytes.toString("utf8"), GCE_ATTESTATION)
    : decodeProto(RECORD, bytes, GCE_ATTESTATION);
  const quotes = message.messages("quotes");
  if (quotes.length > MAX_QUOTES) throw refuse("quotes", `expected at most ${MAX_QUOTES}, got ${quotes.length}`);
  const parts = [
    ...quotes.map(readQuote),
    ...message.messages("sev_snp_attestation").flatMap((each) => each.messages("report").map(readReport)),
    ...message.messages("tdx_attestation").flatMap((each) => each.messages("td_quote_body").map(readTd)),
  ];
  if (parts.length === 0) throw refuse("quotes", "expected a quote or a TEE's report, got neither");
  const [eventLog] = message.bytes("event_log");
  const log = eventLog?.length ? { log: { kind: "tpm", log: readEventLog(eventLog) } as const } : {};
  const title = `attestation of go-tpm-tools: ${parts.map((part) => part.title).join(", ")}`;
  return { ...parts.reduce(joinEvidence, emptyEvidence("gce-attestation", title)), ...log };
}

function readQuote(message: ProtoMessage): Evidence {
  const [attest] = message.bytes("quote");
  if (attest === undefined) throw refuse("quotes.quote", "expected a TPMS_ATTEST, got none");
  return withPcrValues(readTpmQuote(attest), valuesOf(message));
}

function valuesOf(quote: ProtoMessage): PcrValues {
  const values: PcrValues = {};
  for (const pcrs of quote.messages("pcrs")) {
    const bank = bankOf(pcrs.numbers("hash")[0] ?? 0);
    if (bank === undefined) continue;
    for (const entry of pcrs.messages("pcrs")) {
      // Zero is not encoded.
      const index = entry.numbers("key")[0] ?? 0;
      const value = only(entry, { name: "value", sizeBytes: DIGEST_SIZE_BYTES[bank] });
      values[bank] = { ...values[bank], [index]: value.toString("hex") };
    }
  }
  return values;
}

function readReport(report: ProtoMessage): Evidence {
  const measurement = only(report, { name: "measurement", sizeBytes: 48 });
  const policy = BigInt(report.numbers("policy")[0] ?? 0);
  const names = ["report_data", "measurement", "host_data", "id_key_digest", "author_key_digest"];
  return {
    ...emptyEvidence("snp-report", `SEV-SNP attestation report, version ${report.numbers("version")[0] ?? 0}`),
    ...guestStateOf({ measurement, policy }),
    fields: { policy: `0x${policy.toString(16)}`, ...bytesOf(report, names) },
    unchecked: ["the report's signature and its certificates up to AMD's", "the TCB's version", "the report data"],
  };
}

function readTd(body: ProtoMessage): Evidence {
  const rtmrs = body.bytes("rtmrs");
  const [rtmr0, rtmr1, rtmr2, rtmr3] = rtmrs;
  if (!rtmr0 || !rtmr1 || !rtmr2 || !rtmr3 || rtmrs.length > 4 || rtmrs.some(({ length }) => length !== 48)) {
    throw refuse("td_quote_body.rtmrs", "expected four of 48 bytes, got something else");
  }
  const mrTd = only(body, { name: "mr_td", sizeBytes: 48 });
  const tdAttributes = only(body, { name: "td_attributes", sizeBytes: 8 }).readBigUInt64LE();
  const names = ["td_attributes", "xfam", "mr_td", "mr_config_id", "mr_owner", "mr_owner_config", "report_data"];
  return {
    ...emptyEvidence("tdx-quote", "TDX quote, version 4"),
    ...tdStateOf({ mrTd, tdAttributes, rtmr0, rtmr1, rtmr2, rtmr3 }),
    fields: bytesOf(body, names),
    unchecked: ["the quote's signature and its certificates up to Intel's", "the TCB's level", "the report data"],
  };
}

function bytesOf(message: ProtoMessage, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => message.bytes(name).map((value) => [name, value.toString("hex")])));
}

/** The one value of a field, of the size that it must have. */
function only(message: ProtoMessage, { name, sizeBytes }: { name: string; sizeBytes: number }): Buffer {
  const [value] = message.bytes(name);
  if (value?.length === sizeBytes) return value;
  throw refuse(name, `expected ${sizeBytes} bytes, got ${value?.length ?? "none"}`);
}

function refuse(field: string, expectation: string): FormatError {
  return new FormatError({ record: RECORD, field }, expectation);
}
