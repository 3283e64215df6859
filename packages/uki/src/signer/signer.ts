import type { KeyObject } from "node:crypto";

/** Digests that signatures are made over, by Node's names. */
export const SIGNATURE_HASHES = ["sha256", "sha384", "sha512"] as const;
/** Digest that a signature is made over. */
export type SignatureHash = (typeof SIGNATURE_HASHES)[number];

/**
 * Whoever holds a private key: a file, a token, a service. The key itself is never seen by what has something signed.
 */
export interface Signer {
  /** What verifies its signatures: RSA, EC on P-256 or P-384, or Ed25519. */
  readonly publicKey: KeyObject;
  /**
   * Signs a message.
   * @param message whole, not its digest
   * @param hash what it is hashed with; without meaning for Ed25519
   * @returns RSASSA-PKCS1-v1_5 of RFC 8017, DER `ECDSA-Sig-Value` of RFC 3279, or the 64 bytes of RFC 8032
   * @throws CvmError `signer`
   */
  sign(message: Uint8Array, hash: SignatureHash): Promise<Buffer>;
  /** Logs out, ends what was started. */
  [Symbol.asyncDispose](): Promise<void>;
}
