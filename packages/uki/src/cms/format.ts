import type { SignatureHash } from "../signer/signer.ts";

/** Types of content, attributes and extensions. @see RFC 5652, 14; RFC 5280, 4.2.1 */
export const OID = {
  data: "1.2.840.113549.1.7.1",
  signedData: "1.2.840.113549.1.7.2",
  contentType: "1.2.840.113549.1.9.3",
  messageDigest: "1.2.840.113549.1.9.4",
  basicConstraints: "2.5.29.19",
  keyUsage: "2.5.29.15",
  extendedKeyUsage: "2.5.29.37",
  subjectAlternativeName: "2.5.29.17",
} as const;

/** Object identifiers of digests. @see RFC 5754, 2 */
export const DIGEST_OID = {
  sha256: "2.16.840.1.101.3.4.2.1",
  sha384: "2.16.840.1.101.3.4.2.2",
  sha512: "2.16.840.1.101.3.4.2.3",
} as const satisfies Record<SignatureHash, string>;

/** RSASSA-PKCS1-v1_5, the digest named elsewhere. @see RFC 3370, 3.2 */
export const RSA_ENCRYPTION = "1.2.840.113549.1.1.1";
/** An elliptic curve key, the digest named elsewhere: how OpenSSL 1 named ECDSA signatures. @see RFC 5480, 2.1.1 */
export const EC_PUBLIC_KEY = "1.2.840.10045.2.1";

/** RSASSA-PKCS1-v1_5 with its digest. @see RFC 5754, 3.2 */
export const RSA_WITH_DIGEST = {
  sha256: "1.2.840.113549.1.1.11",
  sha384: "1.2.840.113549.1.1.12",
  sha512: "1.2.840.113549.1.1.13",
} as const satisfies Record<SignatureHash, string>;

/** ECDSA with its digest. @see RFC 5754, 3.3 */
export const ECDSA_WITH_DIGEST = {
  sha256: "1.2.840.10045.4.3.2",
  sha384: "1.2.840.10045.4.3.3",
  sha512: "1.2.840.10045.4.3.4",
} as const satisfies Record<SignatureHash, string>;

/** Largest `SignedData` that is read: real ones have 1 to 10 KiB. */
export const MAX_SIGNED_DATA_BYTES = 1 << 20;
/** Certificates and signers that one `SignedData` may have, which bounds how many signatures are checked. */
export const MAX_CERTIFICATES = 32;
export const MAX_SIGNERS = 16;
