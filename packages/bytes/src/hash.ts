import { createHash, type Hash } from "node:crypto";

/** The digest algorithms of TPM banks and of every digest that cvm-build writes. */
export const HASH_ALGORITHMS = ["sha1", "sha256", "sha384", "sha512"] as const;
/** One of `HASH_ALGORITHMS`. */
export type HashAlgorithm = (typeof HASH_ALGORITHMS)[number];

/** Digest length of each algorithm, in bytes. */
export const DIGEST_SIZE_BYTES = {
  sha1: 20,
  sha256: 32,
  sha384: 48,
  sha512: 64,
} as const satisfies Record<HashAlgorithm, number>;

declare const brand: unique symbol;
/** A SHA-256 digest as 64 lower-case hexadecimal digits. */
export type Sha256Hex = string & { readonly [brand]: "Sha256Hex" };

/** Says whether `text` is 64 lower-case hexadecimal digits. */
export function isSha256Hex(text: string): text is Sha256Hex {
  return /^[0-9a-f]{64}$/.test(text);
}

/** Digest of `data` under `algorithm`. */
export function digest(algorithm: HashAlgorithm, data: Uint8Array): Buffer {
  return createHash(algorithm).update(data).digest();
}

/** SHA-256 of bytes, or of the UTF-8 encoding of a string, as lower-case hex. */
export function sha256Hex(data: Uint8Array | string): Sha256Hex {
  return createHash("sha256").update(data).digest("hex") as Sha256Hex;
}

/** The final hex digest of a running SHA-256. */
export function finishSha256(hash: Hash): Sha256Hex {
  return hash.digest("hex") as Sha256Hex;
}
