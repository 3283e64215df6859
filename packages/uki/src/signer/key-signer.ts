import { createHash, createPublicKey, type KeyObject, sign } from "node:crypto";
import { type KeyKind, keyKind } from "./key-kind.ts";
import type { SignatureHash, Signer } from "./signer.ts";

/**
 * Signs with a private key in memory, the same bytes each time: elliptic curves by RFC 6979.
 * @param reference what errors call the key
 * @throws CvmError `signer` where the key is of a kind that does not sign here
 */
export function keySigner(key: KeyObject, reference: string): Signer {
  const kind = keyKind(key, reference);
  return {
    publicKey: createPublicKey(key),
    sign: (message, hash) => signWith(key, { kind, message, hash }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function signWith(
  key: KeyObject,
  { kind, message, hash }: { kind: KeyKind; message: Uint8Array; hash: SignatureHash },
): Promise<Buffer> {
  if (kind === "rsa") return sign(hash, message, key);
  if (kind === "ed25519") return sign(null, message, key);
  const [{ ecdsa }, curves, hashes] = await Promise.all([
    import("@noble/curves/abstract/weierstrass.js"),
    import("@noble/curves/nist.js"),
    import("@noble/hashes/sha2.js"),
  ]);
  // The nonce is derived with the message's own digest, as section 3.2 says, whatever is usual for the curve.
  const scheme = ecdsa(curves[kind].Point, hashes[hash], { lowS: false });
  const secret = Buffer.from(key.export({ format: "jwk" }).d ?? "", "base64url");
  try {
    const digest = createHash(hash).update(message).digest();
    return Buffer.from(scheme.sign(digest, secret, { prehash: false, format: "der" }));
  } finally {
    secret.fill(0);
  }
}
