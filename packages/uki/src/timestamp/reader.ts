import { DerTag, type DerValue, FormatError } from "@cvm-build/bytes";
import { decodeSmallInteger, DerFields, readDerWhole } from "../asn1/reader.ts";
import { readAlgorithm } from "../cms/certificate.ts";
import { readSignedData, type SignedData } from "../cms/reader.ts";
import { TST_INFO } from "./format.ts";

/** What an authority answered. */
export interface TimestampResponse {
  /** `PKIStatus`. */
  status: number;
  /** What it says about that. */
  text: string;
  /** The stamp, a DER `ContentInfo`. */
  token?: Buffer;
}

/** A time stamp, decoded and not yet verified. */
export interface Timestamp {
  signed: SignedData;
  /** Object identifier of the digest. */
  digestAlgorithm: string;
  digest: Buffer;
  /** ISO 8601, UTC. */
  time: string;
  /** `INTEGER`, DER. */
  nonce?: Buffer;
}

/**
 * Reads an authority's answer.
 * @throws FormatError
 * @see RFC 3161, 2.4.2
 */
export function readTimestampResponse(bytes: Buffer): TimestampResponse {
  const fields = new DerFields(readDerWhole(bytes, "TimeStampResp"), DerTag.sequence, "TimeStampResp");
  const info = new DerFields(fields.take(DerTag.sequence, "status"), DerTag.sequence, "PKIStatusInfo");
  const status = decodeSmallInteger(info.take(DerTag.integer, "status"), info.place("status"));
  const texts = info.takeIf(DerTag.sequence);
  const token = fields.takeIf(DerTag.sequence)?.encoded;
  fields.end();
  const lines = texts ? new DerFields(texts, DerTag.sequence, "PKIFreeText").takeRest() : [];
  const text = lines.map(({ contents }) => contents.toString("utf8")).join(" ");
  return { status, text, ...(token && { token }) };
}

/**
 * Reads a time stamp.
 * @param token DER `ContentInfo`
 * @throws FormatError
 * @see RFC 3161, 2.4.2
 */
export function readTimestamp(token: Buffer): Timestamp {
  const signed = readSignedData(token);
  const { content, contentType } = signed;
  const place = { record: "TSTInfo" };
  if (contentType !== TST_INFO || content?.tag !== DerTag.octetString) {
    throw new FormatError(place, `expected content ${TST_INFO} (TSTInfo), got ${contentType}`);
  }
  const fields = new DerFields(readDerWhole(content.contents, "TSTInfo"), DerTag.sequence, "TSTInfo");
  fields.take(DerTag.integer, "version");
  fields.take(DerTag.objectIdentifier, "policy");
  const imprint = new DerFields(fields.take(DerTag.sequence, "messageImprint"), DerTag.sequence, "MessageImprint");
  const digestAlgorithm = readAlgorithm(imprint.take(DerTag.sequence, "hashAlgorithm"));
  const digest = imprint.take(DerTag.octetString, "hashedMessage").contents;
  fields.take(DerTag.integer, "serialNumber");
  const time = decodeTime(fields.take(DerTag.generalizedTime, "genTime"));
  fields.takeIf(DerTag.sequence);
  fields.takeIf(DerTag.boolean);
  const nonce = fields.takeIf(DerTag.integer)?.encoded;
  return { signed, digestAlgorithm, digest, time, ...(nonce && { nonce }) };
}

/** @see RFC 3161, 2.4.2: UTC, with seconds, fractions without zeros at their end */
function decodeTime({ contents }: DerValue): string {
  const text = contents.toString("latin1");
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d(?:\.\d{1,9})?)Z$/.exec(text) ?? [];
  if (second !== undefined) return `${year}-${month}-${day}T${hour}:${minute}:${second}Z`;
  throw new FormatError({ record: "TSTInfo", field: "genTime" }, "expected a time such as 20260101120000Z");
}
