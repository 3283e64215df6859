import { type KeyObject, verify } from "node:crypto";

/** The digest of every signature of a release: the one that cosign expects, whatever the key. */
export const SIGNATURE_HASH = "sha256";

/** Says whether a signature over a message is a key's. */
export function verifies(
  publicKey: KeyObject,
  { message, signature }: { message: Uint8Array; signature: Uint8Array },
): boolean {
  return verify(publicKey.asymmetricKeyType === "ed25519" ? null : SIGNATURE_HASH, message, publicKey, signature);
}
