import { createHash } from "node:crypto";
import type { Signer } from "@cvm-build/uki";
import { SIGNATURE_HASH } from "../signature.ts";
import {
  KEY_ALGORITHM,
  MinisignPublicKey,
  MinisignSignature,
  PREHASHED_ALGORITHM,
  TRUSTED_COMMENT,
  UNTRUSTED_COMMENT,
} from "./format.ts";

/** Whoever signs as minisign does. */
export interface MinisignSigner {
  /** 8 bytes that signature and public key both hold. */
  keyId: Buffer;
  /** Ed25519. */
  signer: Signer;
}

/**
 * Signs a file's bytes, prehashed.
 * @param trustedComment one line, signed too
 * @returns text of a `.minisig` file
 */
export async function signMinisign(
  bytes: Uint8Array,
  { keyId, signer }: MinisignSigner,
  { trustedComment }: { trustedComment: string },
): Promise<string> {
  const signature = await signer.sign(createHash("blake2b512").update(bytes).digest(), SIGNATURE_HASH);
  const global = await signer.sign(Buffer.concat([signature, Buffer.from(trustedComment)]), SIGNATURE_HASH);
  const encoded = MinisignSignature.encode({ algorithm: PREHASHED_ALGORITHM, keyId, signature });
  return [
    `${UNTRUSTED_COMMENT}verify with the public key ${keyNumber(keyId)}`,
    encoded.toString("base64"),
    `${TRUSTED_COMMENT}${trustedComment}`,
    global.toString("base64"),
    "",
  ].join("\n");
}

/** Text of a public key's file. */
export function formatMinisignPublicKey({ keyId, signer }: MinisignSigner): string {
  const { x = "" } = signer.publicKey.export({ format: "jwk" });
  const publicKey = Buffer.from(x, "base64url");
  const encoded = MinisignPublicKey.encode({ algorithm: KEY_ALGORITHM, keyId, publicKey });
  return `${UNTRUSTED_COMMENT}minisign public key ${keyNumber(keyId)}\n${encoded.toString("base64")}\n`;
}

/** A key id as minisign prints it: a little-endian number. */
export function keyNumber(keyId: Buffer): string {
  return keyId.readBigUInt64LE().toString(16).toUpperCase().padStart(16, "0");
}
