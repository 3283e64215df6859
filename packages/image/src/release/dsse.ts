import type { KeyObject } from "node:crypto";
import { compactCanonicalJson, FormatError, sha256Hex } from "@cvm-build/bytes";
import type { Signer } from "@cvm-build/uki";
import { decodeBase64 } from "./base64.ts";
import { parseJson } from "./json-document.ts";
import { SIGNATURE_HASH, verifies } from "./signature.ts";

/** A payload and what it is. */
export interface DssePayload {
  /** A media type. */
  type: string;
  bytes: Buffer;
}

/** An envelope, its signatures not yet checked. */
export interface DsseEnvelope {
  payload: DssePayload;
  signatures: { keyId: string; bytes: Buffer }[];
}

const MAX_SIGNATURES = 16;

/**
 * Signs a payload and puts both into an envelope.
 * @returns JSON text
 * @see DSSE v1.0.2, "Envelope"
 */
export async function signDsse({ type, bytes }: DssePayload, signer: Signer): Promise<string> {
  const signature = await signer.sign(preAuthEncoding({ type, bytes }), SIGNATURE_HASH);
  const envelope = {
    payloadType: type,
    payload: bytes.toString("base64"),
    signatures: [{ keyid: keyIdOf(signer.publicKey), sig: signature.toString("base64") }],
  };
  return `${compactCanonicalJson(envelope)}\n`;
}

/**
 * Decodes an envelope.
 * @throws FormatError
 */
export function decodeDsse(text: string): DsseEnvelope {
  const document = parseJson(text, "DSSE envelope");
  const signatures = document.at("signatures").list(MAX_SIGNATURES);
  if (signatures.length === 0) throw new FormatError({ record: "DSSE envelope" }, "expected a signature, got none");
  return {
    payload: {
      type: document.at("payloadType").text(),
      bytes: decodeBase64(document.at("payload").text(), "DSSE payload"),
    },
    signatures: signatures.map((signature) => ({
      keyId: signature.at("keyid").text(),
      bytes: decodeBase64(signature.at("sig").text(), "DSSE signature"),
    })),
  };
}

/** Says whether one of an envelope's signatures is a key's. What `keyid` says is a hint that is not looked at. */
export function verifyDsse({ payload, signatures }: DsseEnvelope, publicKey: KeyObject): boolean {
  const message = preAuthEncoding(payload);
  return signatures.some(({ bytes }) => verifies(publicKey, { message, signature: bytes }));
}

/** @see DSSE v1.0.2, "PAE": lengths are of bytes, in decimal */
function preAuthEncoding({ type, bytes }: DssePayload): Buffer {
  return Buffer.concat([Buffer.from(`DSSEv1 ${Buffer.byteLength(type)} ${type} ${bytes.length} `), bytes]);
}

/** Digest of the SubjectPublicKeyInfo. */
function keyIdOf(publicKey: KeyObject): string {
  return `sha256:${sha256Hex(publicKey.export({ type: "spki", format: "der" }))}`;
}
