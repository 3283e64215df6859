import { createPublicKey, type JsonWebKey, type KeyObject, X509Certificate } from "node:crypto";
import { unfitKey } from "../key-kind.ts";
import { CKA, CKK, CKO } from "./cryptoki.ts";
import { findObjects, readAttribute } from "./object.ts";
import type { TokenSession } from "./session.ts";

/** A curve by the DER of its parameters, with the length of a coordinate. */
interface Curve {
  crv: string;
  sizeBytes: number;
}
const CURVES: Readonly<Record<string, Curve>> = {
  "06082a8648ce3d030107": { crv: "P-256", sizeBytes: 32 },
  "06052b81040022": { crv: "P-384", sizeBytes: 48 },
};
/** By object identifier (RFC 8410), and by the name that PKCS #11 3.0 gives it. */
const ED25519_PARAMETERS = ["06032b6570", "130c656477617264733235353139"];
const ED25519_SIZE_BYTES = 32;

/**
 * Reads the public half of a private key: of the public key or certificate with its id, or of its own attributes.
 * @param reference what errors call the key
 * @throws CvmError `signer` where the token tells it nowhere, or its type does not sign here
 */
export function readPublicKey(session: TokenSession, privateKey: number, reference: string): KeyObject {
  const id = readAttribute(session, privateKey, CKA.id);
  const others = (kind: number) => (id && id.length > 0 ? findObjects(session, { class: kind, id }) : []);
  for (const object of [...others(CKO.publicKey), privateKey]) {
    const key = readKeyAttributes(session, object, reference);
    if (key) return createPublicKey({ format: "jwk", key });
  }
  for (const object of others(CKO.certificate)) {
    const certificate = readAttribute(session, object, CKA.value);
    if (certificate) return new X509Certificate(certificate).publicKey;
  }
  throw unfitKey(reference, "a key without its public half in the token");
}

function readKeyAttributes(session: TokenSession, object: number, reference: string): JsonWebKey | undefined {
  const read = (attribute: number) => readAttribute(session, object, attribute);
  const type = session.module.decodeNumber(read(CKA.keyType));
  if (type === CKK.rsa) {
    const [modulus, exponent] = [read(CKA.modulus), read(CKA.publicExponent)];
    return modulus && exponent && { kty: "RSA", n: modulus.toString("base64url"), e: exponent.toString("base64url") };
  }
  if (type !== CKK.ec && type !== CKK.ecEdwards) throw unfitKey(reference, `a key of PKCS#11 type ${type}`);
  const parameters = read(CKA.ecParams)?.toString("hex") ?? "";
  const encodedPoint = read(CKA.ecPoint);
  if (encodedPoint === undefined) return undefined;
  const curve = CURVES[parameters];
  if (curve) {
    const point = unwrapPoint(encodedPoint, 1 + 2 * curve.sizeBytes);
    const x = point.subarray(1, 1 + curve.sizeBytes).toString("base64url");
    const y = point.subarray(1 + curve.sizeBytes).toString("base64url");
    return { kty: "EC", crv: curve.crv, x, y };
  }
  if (!ED25519_PARAMETERS.includes(parameters)) throw unfitKey(reference, `a key on the curve ${parameters}`);
  const point = unwrapPoint(encodedPoint, ED25519_SIZE_BYTES);
  return { kty: "OKP", crv: "Ed25519", x: point.toString("base64url") };
}

/** A point is an OCTET STRING by the specification, and stands alone in some tokens. */
function unwrapPoint(encoded: Buffer, length: number): Buffer {
  return encoded.subarray(-length);
}
