import { FormatError } from "@cvm-build/bytes";
import { integer } from "../asn1/writer.ts";
import { ukiError } from "../error.ts";
import type { SignatureHash } from "../signer/signer.ts";
import { GRANTED } from "./format.ts";
import { readTimestamp, readTimestampResponse } from "./reader.ts";
import { verifyTimestamp } from "./verify.ts";
import { encodeTimestampRequest } from "./writer.ts";

/** Whoever says when a signature was made. */
export interface TimestampAuthority {
  /**
   * Sends a query and gives the answer: over HTTP, a POST of `application/timestamp-query`.
   * @param query DER `TimeStampReq`
   * @returns DER `TimeStampResp`
   */
  request(query: Buffer): Promise<Buffer>;
  /** Random bytes that the answer must repeat, 8 or so; without them an old answer to an equal query is as good. */
  nonce?: Buffer;
}

/**
 * Has bytes stamped, and checks that the stamp is one, and for them.
 * @returns the stamp, a DER `ContentInfo`
 * @throws CvmError `signature` where the authority refuses, or answers with anything but a stamp for this query
 */
export async function requestTimestamp(
  bytes: Buffer,
  { authority, hash }: { authority: TimestampAuthority; hash: SignatureHash },
): Promise<Buffer> {
  const { nonce } = authority;
  const answer = await authority.request(encodeTimestampRequest(bytes, { hash, ...(nonce && { nonce }) }));
  try {
    const { status, text, token } = readTimestampResponse(answer);
    if (!token || !GRANTED.includes(status)) throw refused(`expected a time stamp, got status ${status} "${text}"`);
    const timestamp = readTimestamp(token);
    const { problem } = verifyTimestamp(timestamp, { stamped: bytes, trusted: [] });
    if (problem !== undefined) throw refused(problem);
    if (nonce && !timestamp.nonce?.equals(integer(nonce))) throw refused("expected the query's nonce, got another");
    return token;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw refused(`expected a time stamp, got something else (${error.message})`, error);
  }
}

function refused(expectation: string, cause?: unknown) {
  return ukiError("signature", `cannot time-stamp signature: ${expectation}`, {
    hint: "try again, use another time stamping authority, or sign without a time stamp",
    cause,
  });
}
