import { generateKeyPairSync, sign, verify } from "node:crypto";
import { FormatError } from "@cvm-build/bytes";
import { keySigner } from "@cvm-build/uki";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeDsse, signDsse, verifyDsse } from "./dsse.ts";

const PAYLOAD = { type: "http://example.com/HelloWorld", bytes: Buffer.from("hello world") };
/** What the specification says is signed for it. */
const SIGNED = Buffer.from("DSSEv1 29 http://example.com/HelloWorld 11 hello world");

const KEYS = {
  rsa: generateKeyPairSync("rsa", { modulusLength: 2048 }),
  p256: generateKeyPairSync("ec", { namedCurve: "prime256v1" }),
  p384: generateKeyPairSync("ec", { namedCurve: "secp384r1" }),
  ed25519: generateKeyPairSync("ed25519"),
};

describe.each(Object.entries(KEYS))("with a key of kind %s", (kind, { privateKey, publicKey }) => {
  const hash = kind === "ed25519" ? null : "sha256";
  const signer = keySigner(privateKey, kind);

  test("what the specification says is signed", async () => {
    const envelope = decodeDsse(await signDsse(PAYLOAD, signer));
    expect(envelope.payload).toEqual(PAYLOAD);
    expect(verify(hash, SIGNED, publicKey, envelope.signatures[0]!.bytes)).toBe(true);
    expect(verifyDsse(envelope, publicKey)).toBe(true);
  });

  test("a signature that Node made verifies, whoever else signed too", () => {
    const bytes = sign(hash, SIGNED, privateKey);
    const other = { keyId: "", bytes: Buffer.alloc(64, 1) };
    expect(verifyDsse({ payload: PAYLOAD, signatures: [other, { keyId: "anything", bytes }] }, publicKey)).toBe(true);
    expect(verifyDsse({ payload: PAYLOAD, signatures: [other] }, publicKey)).toBe(false);
    const payload = { ...PAYLOAD, type: "text/plain" };
    expect(verifyDsse({ payload, signatures: [{ keyId: "", bytes }] }, publicKey)).toBe(false);
  });
});

const signature = { keyid: "", sig: "AA==" };

test.each([
  ["no JSON", "{"],
  ["a list", "[]"],
  ["no payload", JSON.stringify({ payloadType: "a", signatures: [signature] })],
  ["no signature", JSON.stringify({ payloadType: "a", payload: "", signatures: [] })],
  [
    "too many",
    JSON.stringify({ payloadType: "a", payload: "", signatures: Array.from({ length: 17 }, () => signature) }),
  ],
  ["base64 with more behind it", JSON.stringify({ payloadType: "a", payload: "AA==AA==", signatures: [signature] })],
  ["base64 of a URL", JSON.stringify({ payloadType: "a", payload: "_-8=", signatures: [signature] })],
  ["a payload that is no text", JSON.stringify({ payloadType: "a", payload: { deep: [] }, signatures: [signature] })],
])("an envelope with %s is refused", (_, text) => expect(() => decodeDsse(text)).toThrow(FormatError));

test("any JSON is an envelope or a FormatError", () => {
  const part = fc.oneof(fc.base64String(), fc.jsonValue());
  const envelope = fc.record(
    { payloadType: part, payload: part, signatures: fc.array(fc.record({ keyid: part, sig: part })) },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(envelope, (value) => {
      try {
        decodeDsse(JSON.stringify(value));
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
      }
    }),
  );
});
