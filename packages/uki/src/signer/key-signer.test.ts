import { createPrivateKey, createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { describe, expect, it } from "vitest";
import { keySigner } from "./key-signer.ts";
import { SIGNATURE_HASHES, type SignatureHash } from "./signer.ts";

/** RFC 6979, A.2.5 and A.2.6: keys, and r and s of the message `sample` unless another is named. */
const KEYS = {
  p256: {
    crv: "P-256",
    x: "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6",
    y: "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299",
    d: "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
  },
  p384: {
    crv: "P-384",
    x: "EC3A4E415B4E19A4568618029F427FA5DA9A8BC4AE92E02E06AAE5286B300C64DEF8F0EA9055866064A254515480BC13",
    y: "8015D9B72D7D57244EA8EF9AC0C621896708A59367F9DFB9F54CA84B3F1C9DB1288B231C3AE0D4FE7344FD2533264720",
    d: "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5",
  },
};
const VECTORS: readonly [key: keyof typeof KEYS, hash: SignatureHash, message: string, r: string, s: string][] = [
  [
    "p256",
    "sha256",
    "sample",
    "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
    "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
  ],
  [
    "p256",
    "sha256",
    "test",
    "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367",
    "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083",
  ],
  [
    "p256",
    "sha384",
    "sample",
    "0EAFEA039B20E9B42309FB1D89E213057CBF973DC0CFC8F129EDDDC800EF7719",
    "4861F0491E6998B9455193E34E7B0D284DDD7149A74B95B9261F13ABDE940954",
  ],
  [
    "p256",
    "sha512",
    "sample",
    "8496A60B5E9B47C825488827E0495B0E3FA109EC4568FD3F8D1097678EB97F00",
    "2362AB1ADBE2B8ADF9CB9EDAB740EA6049C028114F2460F96554F61FAE3302FE",
  ],
  [
    "p384",
    "sha256",
    "sample",
    "21B13D1E013C7FA1392D03C5F99AF8B30C570C6F98D4EA8E354B63A21D3DAA33BDE1E888E63355D92FA2B3C36D8FB2CD",
    "F3AA443FB107745BF4BD77CB3891674632068A10CA67E3D45DB2266FA7D1FEEBEFDC63ECCD1AC42EC0CB8668A4FA0AB0",
  ],
  [
    "p384",
    "sha384",
    "sample",
    "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46",
    "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8",
  ],
  [
    "p384",
    "sha384",
    "test",
    "8203B63D3C853E8D77227FB377BCF7B7B772E97892A80F36AB775D509D7A5FEB0542A7F0812998DA8F1DD3CA3CF023DB",
    "DDD0760448D42D8A43AF45AF836FCE4DE8BE06B485E9B61B827C2F13173923E06A739F040649A667BF3B828246BAA5A5",
  ],
  [
    "p384",
    "sha512",
    "sample",
    "ED0959D5880AB2D869AE7F6C2915C6D60F96507F9CB3E047C0046861DA4A799CFE30F35CC900056D7C99CD7882433709",
    "512C8CCEEE3890A84058CE1E22DBC2198F42323CE8ACA9135329F03C068E5112DC7CC3EF3446DEFCEB01A45C2667FDD5",
  ],
];

function vectorKey({ crv, ...numbers }: (typeof KEYS)[keyof typeof KEYS]) {
  const encoded = Object.entries(numbers).map(([name, hex]) => [name, Buffer.from(hex, "hex").toString("base64url")]);
  return createPrivateKey({ format: "jwk", key: { kty: "EC", crv, ...Object.fromEntries(encoded) } });
}

/** r and s of a DER `ECDSA-Sig-Value`, whose lengths are below 128 for these curves. */
function numbersOf(signature: Buffer): string[] {
  const rEnd = 4 + signature.readUInt8(3);
  expect([...signature.subarray(0, 3)]).toEqual([0x30, signature.length - 2, 0x02]);
  expect([...signature.subarray(rEnd, rEnd + 2)]).toEqual([0x02, signature.length - rEnd - 2]);
  return [signature.subarray(4, rEnd), signature.subarray(rEnd + 2)].map((number) =>
    BigInt(`0x${number.toString("hex")}`).toString(16),
  );
}

const asNumber = (hex: string) => BigInt(`0x${hex}`).toString(16);

describe("keySigner", () => {
  it.each(VECTORS)("signs on %s with %s as RFC 6979 does: %s", async (key, hash, message, r, s) => {
    const signature = await keySigner(vectorKey(KEYS[key]), "vector").sign(Buffer.from(message), hash);
    expect(numbersOf(signature)).toEqual([asNumber(r), asNumber(s)]);
  });

  it.each([
    ["RSA 2048", () => generateKeyPairSync("rsa", { modulusLength: 2048 })],
    ["P-256", () => generateKeyPairSync("ec", { namedCurve: "P-256" })],
    ["P-384", () => generateKeyPairSync("ec", { namedCurve: "P-384" })],
    ["Ed25519", () => generateKeyPairSync("ed25519")],
  ])("signs with %s what OpenSSL verifies, twice the same", async (_, generate) => {
    const { privateKey, publicKey } = generate();
    await using signer = keySigner(privateKey, "db.key");
    expect(signer.publicKey.equals(publicKey)).toBe(true);
    const message = Buffer.from("what is signed");
    for (const hash of SIGNATURE_HASHES) {
      const signature = await signer.sign(message, hash);
      const name = publicKey.asymmetricKeyType === "ed25519" ? null : hash;
      expect(verify(name, message, publicKey, signature)).toBe(true);
      expect((await signer.sign(message, hash)).equals(signature)).toBe(true);
    }
  });

  it.each([
    ["RSA of 1024 bits", () => generateKeyPairSync("rsa", { modulusLength: 1024 })],
    ["a key on the curve secp521r1", () => generateKeyPairSync("ec", { namedCurve: "P-521" })],
    ["a key on the curve secp256k1", () => generateKeyPairSync("ec", { namedCurve: "secp256k1" })],
    ["a key of type ed448", () => generateKeyPairSync("ed448")],
    ["a key of type rsa-pss", () => generateKeyPairSync("rsa-pss", { modulusLength: 2048 })],
  ])("refuses %s", (got, generate) => {
    expect(() => keySigner(generate().privateKey, "db.key")).toThrow(
      `cannot sign with key "db.key": expected RSA of 2048 to 4096 bits, P-256, P-384 or Ed25519, got ${got}`,
    );
  });

  it("never shows its key", () => {
    const { privateKey } = generateKeyPairSync("ed25519");
    const secret = privateKey.export({ format: "jwk" }).d;
    const signer = keySigner(privateKey, "db.key");
    expect(secret).toHaveLength(43);
    expect(JSON.stringify(signer)).not.toContain(secret);
    expect(createPublicKey(privateKey).equals(signer.publicKey)).toBe(true);
    expect(signer.publicKey.type).toBe("public");
  });
});
