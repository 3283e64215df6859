import type { X509Certificate } from "node:crypto";
import { digest } from "@cvm-build/bytes";
import { readCertificateFields } from "../cms/certificate.ts";
import { DIGEST_OID, OID } from "../cms/format.ts";
import { type SignerVerification, verifySignedData } from "../cms/verify.ts";
import { SIGNATURE_HASHES } from "../signer/signer.ts";
import { TIME_STAMPING } from "./format.ts";
import type { Timestamp } from "./reader.ts";

/** What came out for a time stamp. */
export interface TimestampVerification extends SignerVerification {
  /** When, as the authority says: ISO 8601, UTC; absent where there is a problem with the stamp. */
  time?: string;
}

/**
 * Verifies a time stamp: that it is for these bytes, and signed by an authority whose certificate says that it stamps.
 * @param options.stamped what was stamped
 */
export function verifyTimestamp(
  timestamp: Timestamp,
  options: { stamped: Buffer; trusted: readonly X509Certificate[] },
): TimestampVerification {
  const [verification, ...more] = verifySignedData(timestamp.signed, { trusted: options.trusted });
  if (!verification || more.length > 0) return { problem: "expected a time stamp of one signer" };
  const problem = verification.problem ?? findProblem(timestamp, { ...options, verification });
  return { ...verification, ...(problem === undefined ? { time: timestamp.time } : { problem }) };
}

function findProblem(
  { digestAlgorithm, digest: stampedDigest }: Timestamp,
  { stamped, verification }: { stamped: Buffer; verification: SignerVerification },
): string | undefined {
  const hash = SIGNATURE_HASHES.find((name) => DIGEST_OID[name] === digestAlgorithm);
  if (!hash) return `expected a time stamp of ${SIGNATURE_HASHES.join(", ")}, got ${digestAlgorithm}`;
  if (!digest(hash, stamped).equals(stampedDigest)) return "expected a time stamp of this signature, got another";
  return verification.certificate && isAuthority(verification.certificate)
    ? undefined
    : "expected the certificate of a time stamping authority, got another";
}

/** Says whether a certificate is for stamping and nothing else. @see RFC 3161, 2.3 */
function isAuthority({ keyUsage, raw }: X509Certificate): boolean {
  const [purpose, ...others] = keyUsage ?? [];
  const isCritical = readCertificateFields(raw).criticalExtensions.includes(OID.extendedKeyUsage);
  return purpose === TIME_STAMPING && others.length === 0 && isCritical;
}
