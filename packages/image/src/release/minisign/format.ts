import { ascii, raw, record, u64le, type ValueOf } from "@cvm-build/bytes";

/** @see minisign(1), "Public key format" */
export const MinisignPublicKey = record("MinisignPublicKey", 42, {
  algorithm: [0x00, ascii(2)],
  keyId: [0x02, raw(8)],
  publicKey: [0x0a, raw(32)],
});

/** @see minisign(1), "Signature format" */
export const MinisignSignature = record("MinisignSignature", 74, {
  algorithm: [0x00, ascii(2)],
  keyId: [0x02, raw(8)],
  signature: [0x0a, raw(64)],
});

/**
 * A file with a secret key. `secret` is a `MinisignSecret`, encrypted where there is a key derivation.
 * @see minisign(1), "Secret key format"
 */
export const MinisignSecretKey = record("MinisignSecretKey", 158, {
  algorithm: [0x00, ascii(2)],
  derivation: [0x02, raw(2)],
  checksumAlgorithm: [0x04, ascii(2)],
  salt: [0x06, raw(32)],
  operationsLimit: [0x26, u64le],
  memoryLimitBytes: [0x2e, u64le],
  secret: [0x36, raw(104)],
});
export type MinisignSecretKey = ValueOf<typeof MinisignSecretKey>;

/** What a secret key file protects. */
export const MinisignSecret = record("MinisignSecret", 104, {
  keyId: [0x00, raw(8)],
  seed: [0x08, raw(32)],
  publicKey: [0x28, raw(32)],
  /** BLAKE2b-256 of algorithm, key id, seed and public key. */
  checksum: [0x48, raw(32)],
});
export type MinisignSecret = ValueOf<typeof MinisignSecret>;

/** Ed25519, as keys name it. */
export const KEY_ALGORITHM = "Ed";
/** Ed25519 over the BLAKE2b-512 digest of a file, as signatures name it. */
export const PREHASHED_ALGORITHM = "ED";
/** BLAKE2b-256. */
export const CHECKSUM_ALGORITHM = "B2";
/** Values of `derivation`. */
export const DERIVATIONS = { scrypt: Buffer.from("Sc"), none: Buffer.alloc(2) } as const;
export const UNTRUSTED_COMMENT = "untrusted comment: ";
export const TRUSTED_COMMENT = "trusted comment: ";
