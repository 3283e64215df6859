import type { KeyObject } from "node:crypto";
import { ukiError } from "../error.ts";

/** Kinds of keys that sign here. */
export type KeyKind = "rsa" | "p256" | "p384" | "ed25519";

const RSA_BITS = { least: 2048, most: 4096 };
const CURVES: Readonly<Record<string, KeyKind>> = { prime256v1: "p256", secp384r1: "p384" };

/**
 * Says of which kind a public or private key is.
 * @param reference what errors call the key
 * @throws CvmError `signer` where it is of none that signs here
 */
export function keyKind(key: KeyObject, reference: string): KeyKind {
  const { modulusLength = 0, namedCurve = "unnamed" } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case "ed25519":
      return "ed25519";
    case "rsa":
      if (modulusLength >= RSA_BITS.least && modulusLength <= RSA_BITS.most) return "rsa";
      throw unfitKey(reference, `RSA of ${modulusLength} bits`);
    case "ec": {
      const kind = CURVES[namedCurve];
      if (kind) return kind;
      throw unfitKey(reference, `a key on the curve ${namedCurve}`);
    }
    default:
      throw unfitKey(reference, `a key of type ${key.asymmetricKeyType ?? key.type}`);
  }
}

/** The error about a key that is of no kind that signs here. */
export function unfitKey(reference: string, got: string): Error {
  return ukiError(
    "signer",
    `cannot sign with key "${reference}": expected RSA of ${RSA_BITS.least} to ${RSA_BITS.most} bits, P-256, P-384 or Ed25519, got ${got}`,
  );
}
