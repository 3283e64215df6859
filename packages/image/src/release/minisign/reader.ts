import { createHash, createPublicKey, type KeyObject } from "node:crypto";
import { FormatError } from "@cvm-build/bytes";
import { decodeBase64 } from "../base64.ts";
import { verifies } from "../signature.ts";
import {
  KEY_ALGORITHM,
  MinisignPublicKey,
  MinisignSignature,
  PREHASHED_ALGORITHM,
  TRUSTED_COMMENT,
  UNTRUSTED_COMMENT,
} from "./format.ts";

/** A public key of minisign's. */
export interface MinisignKey {
  keyId: Buffer;
  publicKey: KeyObject;
}

/** A signature file, not yet checked. */
export interface Minisignature {
  keyId: Buffer;
  signature: Buffer;
  trustedComment: string;
  /** Over signature and trusted comment. */
  globalSignature: Buffer;
}

/**
 * Decodes a public key.
 * @param text a key file, or its second line alone
 * @throws FormatError
 */
export function decodeMinisignPublicKey(text: string): MinisignKey {
  const lines = text.trimEnd().split(/\r?\n/);
  const [encoded = ""] = lines[0]?.startsWith(UNTRUSTED_COMMENT) ? lines.slice(1) : lines;
  const { algorithm, keyId, publicKey } = MinisignPublicKey.decode(exactly(MinisignPublicKey, encoded));
  if (algorithm !== KEY_ALGORITHM) throw wrong("MinisignPublicKey", KEY_ALGORITHM, algorithm);
  return { keyId, publicKey: ed25519PublicKey(publicKey) };
}

/**
 * Decodes a signature file. Signatures that are not prehashed are refused: releases have none.
 * @throws FormatError
 */
export function decodeMinisignature(text: string): Minisignature {
  const [untrusted = "", encoded = "", trusted = "", global = "", ...rest] = text.replace(/\n$/, "").split(/\r?\n/);
  if (!untrusted.startsWith(UNTRUSTED_COMMENT) || !trusted.startsWith(TRUSTED_COMMENT) || rest.length > 0) {
    throw new FormatError({ record: "MinisignSignature" }, "expected two comments, a signature after each");
  }
  const { algorithm, keyId, signature } = MinisignSignature.decode(exactly(MinisignSignature, encoded));
  if (algorithm !== PREHASHED_ALGORITHM) throw wrong("MinisignSignature", PREHASHED_ALGORITHM, algorithm);
  const globalSignature = decodeBase64(global, "MinisignSignature");
  return { keyId, signature, trustedComment: trusted.slice(TRUSTED_COMMENT.length), globalSignature };
}

/** Says whether a signature over a file's bytes, and over its trusted comment, is a key's. */
export function verifyMinisign(bytes: Uint8Array, { signature, ...rest }: Minisignature, key: MinisignKey): boolean {
  const { publicKey } = key;
  const message = createHash("blake2b512").update(bytes).digest();
  const signed = Buffer.concat([signature, Buffer.from(rest.trustedComment)]);
  return (
    rest.keyId.equals(key.keyId) &&
    verifies(publicKey, { message, signature }) &&
    verifies(publicKey, { message: signed, signature: rest.globalSignature })
  );
}

/** @see RFC 8037, 2 "Key Type OKP" */
function ed25519PublicKey(publicKey: Buffer): KeyObject {
  const key = { kty: "OKP", crv: "Ed25519", x: publicKey.toString("base64url") };
  try {
    return createPublicKey({ key, format: "jwk" });
  } catch (cause) {
    throw new FormatError({ record: "MinisignPublicKey", field: "publicKey" }, "expected a point", { cause });
  }
}

function exactly({ recordName, sizeBytes }: { recordName: string; sizeBytes: number }, encoded: string): Buffer {
  const bytes = decodeBase64(encoded, recordName);
  if (bytes.length === sizeBytes) return bytes;
  throw new FormatError({ record: recordName }, `expected ${sizeBytes} bytes, got ${bytes.length}`);
}

function wrong(record: string, expected: string, got: string): FormatError {
  return new FormatError({ record, field: "algorithm" }, `expected ${expected}, got ${JSON.stringify(got)}`);
}
