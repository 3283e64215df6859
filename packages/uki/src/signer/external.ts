import { createHash, type KeyObject, verify } from "node:crypto";
import { ukiError } from "../error.ts";
import { keyKind } from "./key-kind.ts";
import type { SignatureHash, Signer } from "./signer.ts";

/** What is to be signed, as a whole and as its digest, since some sign the one and some the other. */
export interface SignRequest {
  message: Uint8Array;
  digest: Buffer;
  hash: SignatureHash;
}

/** A key that something else holds: a program, a token, a cloud service. */
export interface ExternalKey {
  readonly publicKey: KeyObject;
  /** How its ECDSA signatures are encoded, by Node's names: `ECDSA-Sig-Value`, or r and s of fixed length. */
  readonly ecdsaEncoding: "der" | "ieee-p1363";
  /** Signs as `Signer.sign` does, but for `ecdsaEncoding`. */
  sign(request: SignRequest): Promise<Buffer>;
  close(): Promise<void>;
}

/**
 * Makes a signer of a key that something else holds. No signature leaves it that its public key does not verify.
 * @param reference what errors call the key
 * @throws CvmError `signer`, having closed the key, where it is of a kind that does not sign here
 */
export async function externalSigner(key: ExternalKey, reference: string): Promise<Signer> {
  const { publicKey, ecdsaEncoding } = key;
  try {
    const kind = keyKind(publicKey, reference);
    return {
      publicKey,
      sign: async (message, hash) => {
        const digest = createHash(hash).update(message).digest();
        const signature = await key.sign({ message, digest, hash });
        const algorithm = kind === "ed25519" ? null : hash;
        if (!verify(algorithm, message, { key: publicKey, dsaEncoding: ecdsaEncoding }, signature)) {
          throw ukiError(
            "signer",
            `cannot sign with key "${reference}": expected a signature that its public key verifies, got another`,
          );
        }
        const isRaw = ecdsaEncoding === "ieee-p1363" && (kind === "p256" || kind === "p384");
        return isRaw ? derSignature(signature, kind) : signature;
      },
      [Symbol.asyncDispose]: () => key.close(),
    };
  } catch (error) {
    await key.close();
    throw error;
  }
}

async function derSignature(signature: Buffer, kind: "p256" | "p384"): Promise<Buffer> {
  const { [kind]: curve } = await import("@noble/curves/nist.js");
  return Buffer.from(curve.Signature.fromBytes(signature, "compact").toBytes("der"));
}
