import { digest } from "@cvm-build/bytes";
import { integer, NULL, objectIdentifier, octetString, sequence, TRUE } from "../asn1/writer.ts";
import { DIGEST_OID } from "../cms/format.ts";
import type { SignatureHash } from "../signer/signer.ts";

/** What a query for a time stamp says beside what is to be stamped. */
export interface TimestampRequest {
  hash: SignatureHash;
  /** A number that the answer repeats, as bytes. */
  nonce?: Buffer;
}

/**
 * Encodes a query for a time stamp that brings its certificates along.
 * @param bytes what is to be stamped; only its digest is sent
 * @returns DER `TimeStampReq`
 * @see RFC 3161, 2.4.1
 */
export function encodeTimestampRequest(bytes: Buffer, { hash, nonce }: TimestampRequest): Buffer {
  const algorithm = sequence(objectIdentifier(DIGEST_OID[hash]), NULL);
  const messageImprint = sequence(algorithm, octetString(digest(hash, bytes)));
  return sequence(integer(1), messageImprint, ...(nonce ? [integer(nonce)] : []), TRUE);
}
