import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { describe, expect, it } from "vitest";
import { ecKey, rsaKey } from "./certificate.fixture.ts";
import { describeKey, isSameKey } from "./key.ts";

/** An RSA key that nobody has the other half of. */
function rsaOf(bits: number, exponent = Buffer.of(1, 0, 1)): KeyObject {
  const modulus = Buffer.alloc(bits / 8, 0xff);
  const jwk = { kty: "RSA", n: modulus.toString("base64url"), e: exponent.toString("base64url") };
  return createPublicKey({ key: jwk, format: "jwk" });
}

describe("describeKey", () => {
  it.each<[string, KeyObject | undefined, ReturnType<typeof describeKey>]>([
    ["RSA, smallest", rsaOf(2048), { kind: "rsa", name: "RSA-2048" }],
    ["RSA, largest", rsaOf(4096), { kind: "rsa", name: "RSA-4096" }],
    ["RSA, too small", rsaOf(2040), { name: "RSA-2040" }],
    ["RSA, too large", rsaOf(4104), { name: "RSA-4104" }],
    ["RSA, slow", rsaOf(2048, Buffer.alloc(200, 3)), { name: "RSA-2048 with an exponent above 2^32" }],
    ["P-256", createPublicKey(ecKey()), { kind: "ec", name: "P-256" }],
    ["P-384", createPublicKey(ecKey("P-384")), { kind: "ec", name: "P-384" }],
    ["P-521", createPublicKey(ecKey("P-521")), { name: "secp521r1" }],
    ["Ed25519", generateKeyPairSync("ed25519").publicKey, { name: "ed25519" }],
    ["none", undefined, { name: "unknown key" }],
  ])("%s", (_, key, description) => {
    expect(describeKey(key)).toEqual(description);
  });
});

describe("isSameKey", () => {
  it("compares keys of any two kinds, and leaves no error behind", () => {
    const keys = [rsaKey(), ecKey(), ecKey(), ecKey("P-384")].map((key) => createPublicKey(key));
    for (const [at, key] of keys.entries()) {
      expect(keys.map((other) => isSameKey(key, other))).toEqual(keys.map((_, index) => index === at));
    }
    expect(isSameKey(undefined, createPublicKey(rsaKey()))).toBe(false);
  });
});
