import type { KeyObject, X509Certificate } from "node:crypto";

/** Kinds of keys that sign images and variables. */
export type KeyKind = "rsa" | "ec";

/** A public key in the words of its users. */
export interface KeyDescription {
  /** Absent where nothing here can be signed or verified with it. */
  kind?: KeyKind;
  /** `RSA-2048`, `P-256`, or the name of what it is instead. */
  name: string;
}

/** What `describeKey` takes, for messages. */
export const SUPPORTED_KEYS = "RSA of 2048 to 4096 bits, P-256 or P-384";

/** Keys in use have 65537; a huge one would make each verification cost as much as a signature. */
const MAX_RSA_EXPONENT = 2n ** 32n;

const CURVES: Readonly<Record<string, string>> = { prime256v1: "P-256", secp384r1: "P-384" };

/**
 * Says what a public key is, and whether it is one that images and variables are signed with.
 * @see RFC 8017 (RSA); RFC 5480, 2.1.1.1 (curves)
 */
export function describeKey(key: KeyObject | undefined): KeyDescription {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key ?? {};
  if (type === "rsa") {
    const { modulusLength = 0, publicExponent = 0n } = details ?? {};
    if (publicExponent > MAX_RSA_EXPONENT) return { name: `RSA-${modulusLength} with an exponent above 2^32` };
    return { ...(modulusLength >= 2048 && modulusLength <= 4096 && { kind: "rsa" }), name: `RSA-${modulusLength}` };
  }
  if (type === "ec") {
    const curve = details?.namedCurve ?? "unnamed curve";
    return { ...(curve in CURVES && { kind: "ec" }), name: CURVES[curve] ?? curve };
  }
  return { name: type ?? "unknown key" };
}

/** The public key of a certificate, or undefined where OpenSSL knows nothing of its kind. */
export function publicKeyOf(certificate: X509Certificate): KeyObject | undefined {
  try {
    return certificate.publicKey;
  } catch {
    return undefined;
  }
}

/**
 * Says whether two public keys are one. Node's `equals` leaves OpenSSL's complaint about keys of different types behind,
 * for the next call to trip over, and encodings of one point may differ.
 */
export function isSameKey(a: KeyObject | undefined, b: KeyObject): boolean {
  const keys = [a, b].map((key) => describeKey(key).kind && JSON.stringify(key?.export({ format: "jwk" })));
  return keys[0] !== undefined && keys[0] === keys[1];
}
