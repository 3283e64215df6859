import { generateKeyPairSync, randomBytes, scryptSync } from "node:crypto";
import { CvmError, FormatError } from "@cvm-build/bytes";
import { keySigner } from "@cvm-build/uki";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MinisignSecret, MinisignSecretKey } from "./format.ts";
import { decodeMinisignature, decodeMinisignPublicKey, verifyMinisign } from "./reader.ts";
import { isMinisignFile, openMinisignKey } from "./secret-key.ts";
import { formatMinisignPublicKey, keyNumber, signMinisign } from "./writer.ts";

/** Made by minisign 0.11 (Debian bookworm): `minisign -G -W`, `minisign -S -m hello -t "a comment"`. A key for this test only. */
const SECRET_KEY = `untrusted comment: minisign encrypted secret key
RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABUJY31Cyz0apzUVbAkvRauvL39cBONnD4PVbdQbzJ0bL9b6ca+XmIUWTURzK/TvoOZ8IDitup/WZyWJDc0IA8GJ6qpNnA9VJAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
`;
const PUBLIC_KEY = `untrusted comment: minisign public key 46CFB250DF584205
RWQFQljfULLPRkWTURzK/TvoOZ8IDitup/WZyWJDc0IA8GJ6qpNnA9VJ
`;
const HELLO = Buffer.from("hello\n");
const SIGNATURE = [
  "untrusted comment: signature from minisign secret key",
  "RUQFQljfULLPRoTVEIGTJlBjtt2io8ZXjUUQHrkNbaJMyDtUq9OE4yEbjuZNkolI+o3C2FjA7VqG3epMpyScUWshUOL/uZceigM=",
  "trusted comment: a comment",
  "HWpiI1cUMtbDSFNufYlZFVkttALmyXhegIp2TISHm59ISZr4oICwaIr8wDFJvHoks70d1W5eCUr3eMBoA2YoAA==",
  "",
].join("\n");

const noPassphrase = () => Promise.reject(new Error("asked for a passphrase"));
const open = (text: string) => openMinisignKey(text, { name: "test", passphrase: noPassphrase });
const key = decodeMinisignPublicKey(PUBLIC_KEY);

describe("minisign's own files", () => {
  test("its signature verifies, with the key as a file and as text", () => {
    expect(keyNumber(key.keyId)).toBe("46CFB250DF584205");
    for (const text of [PUBLIC_KEY, PUBLIC_KEY.split("\n")[1]!])
      expect(verifyMinisign(HELLO, decodeMinisignature(SIGNATURE), decodeMinisignPublicKey(text))).toBe(true);
  });

  test("its key signs the same bytes, and has the same public key", async () => {
    const signer = await open(SECRET_KEY);
    const signed = await signMinisign(HELLO, signer, { trustedComment: "a comment" });
    expect(signed.split("\n").slice(1)).toEqual(SIGNATURE.split("\n").slice(1));
    expect(formatMinisignPublicKey(signer)).toBe(PUBLIC_KEY);
    expect(isMinisignFile(Buffer.from(SECRET_KEY))).toBe(true);
  });
});

describe("what is not signed by the key", () => {
  test.each([
    ["other bytes", (text: string) => [Buffer.from("hullo\n"), text] as const],
    ["another trusted comment", (text: string) => [HELLO, text.replace("a comment", "b comment")] as const],
    ["another signature", (text: string) => [HELLO, text.replace("RoTVEI", "RoTVEJ")] as const],
    ["another key id", (text: string) => [HELLO, text.replace("RUQFQljf", "RUQGQljf")] as const],
  ])("%s", (_, change) => {
    const [bytes, text] = change(SIGNATURE);
    expect(verifyMinisign(bytes, decodeMinisignature(text), key)).toBe(false);
  });

  test.each([
    ["that is not prehashed", SIGNATURE.replace("RUQFQljf", "RWQFQljf")],
    ["without a trusted comment", SIGNATURE.replace("trusted comment: a", "comment: a")],
    ["that goes on", `${SIGNATURE}more\n`],
    ["that is short", SIGNATURE.replace("RoTVEIGT", "")],
  ])("a signature %s is refused", (_, text) => expect(() => decodeMinisignature(text)).toThrow(FormatError));
});

/** Of the key above, by Python's `hashlib.blake2b(b"Ed" + secret[:72], digest_size=32)`. */
const CHECKSUM = Buffer.from("3fb687843e36af3070fec17f7e7d0169dd9c96f93fa43f142fa7ec82f9d5dc8f", "hex");

/** A key file as minisign encrypts it, with limits low enough for a unit test. */
function encryptedKey(passphrase: string, limits = { operations: 1n << 15n, memoryBytes: 1n << 24n }): string {
  const file = MinisignSecretKey.decode(Buffer.from(SECRET_KEY.split("\n")[1]!, "base64"));
  const secret = { ...MinisignSecret.decode(file.secret), checksum: CHECKSUM };
  const salt = randomBytes(32);
  const stream = scryptSync(passphrase, salt, 104, { cost: 1024, blockSize: 8, parallelization: 1 });
  const encoded = MinisignSecretKey.encode({
    ...file,
    derivation: Buffer.from("Sc"),
    salt,
    operationsLimit: limits.operations,
    memoryLimitBytes: limits.memoryBytes,
    secret: Buffer.from(MinisignSecret.encode(secret).map((byte, index) => byte ^ stream[index]!)),
  });
  return `untrusted comment: x\n${encoded.toString("base64")}\n`;
}

describe("an encrypted key", () => {
  test("opens with its passphrase", async () => {
    const passphrase = () => Promise.resolve("correct horse");
    const signer = await openMinisignKey(encryptedKey("correct horse"), { name: "test", passphrase });
    expect(formatMinisignPublicKey(signer)).toBe(PUBLIC_KEY);
  });

  test("does not open with another", async () => {
    const opened = openMinisignKey(encryptedKey("right"), { name: "test", passphrase: () => Promise.resolve("wrong") });
    await expect(opened).rejects.toMatchObject({ code: "signer", message: expect.stringContaining("passphrase") });
  });

  test.each([
    ["time", { operations: 1n << 40n, memoryBytes: 1n << 24n }],
    ["memory", { operations: 1n << 15n, memoryBytes: 1n << 40n }],
  ])("that asks for too much %s is refused", async (_, limits) => {
    const opened = openMinisignKey(encryptedKey("x", limits), { name: "test", passphrase: () => Promise.resolve("x") });
    await expect(opened).rejects.toThrow(FormatError);
  });
});

test("a key whose public half is another's is refused", async () => {
  const bytes = Buffer.from(SECRET_KEY.split("\n")[1]!, "base64");
  bytes[120]! ^= 1;
  await expect(open(`untrusted comment: x\n${bytes.toString("base64")}\n`)).rejects.toThrow(FormatError);
});

test("any Ed25519 key signs so that it verifies", async () => {
  const { privateKey } = generateKeyPairSync("ed25519");
  const signer = { keyId: Buffer.from("12345678"), signer: keySigner(privateKey, "test") };
  const signature = decodeMinisignature(await signMinisign(HELLO, signer, { trustedComment: "c" }));
  expect(verifyMinisign(HELLO, signature, decodeMinisignPublicKey(formatMinisignPublicKey(signer)))).toBe(true);
});

test("mutated files give a value or an error that says what is wrong", async () => {
  const mutation = fc.tuple(fc.nat(), fc.string({ maxLength: 3 }));
  const mutate = (text: string, [at, by]: [number, string]) => {
    const place = at % text.length;
    return text.slice(0, place) + by + text.slice(place + by.length);
  };
  await fc.assert(
    fc.asyncProperty(mutation, async (change) => {
      const decoders: (() => unknown)[] = [
        () => decodeMinisignature(mutate(SIGNATURE, change)),
        () => decodeMinisignPublicKey(mutate(PUBLIC_KEY, change)),
        () => openMinisignKey(mutate(SECRET_KEY, change), { name: "x", passphrase: () => Promise.resolve("") }),
      ];
      for (const decode of decoders)
        await Promise.resolve()
          .then(decode)
          .catch((error: unknown) => expect(error).toBeInstanceOf(CvmError));
    }),
  );
});
