import { createPublicKey, generateKeyPairSync, type KeyObject, verify } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CvmError } from "@cvm-build/bytes";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSigner } from "./open.ts";

/** A program that speaks the protocol; `misbehave` may change what it says. */
function program(key: KeyObject, misbehave = ""): string {
  return `#!${process.execPath}
const { createPrivateKey, createPublicKey, sign } = require("node:crypto");
const key = createPrivateKey(${JSON.stringify(key.export({ format: "pem", type: "pkcs8" }))});
const request = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
if (request.version !== 1) throw new Error("version");
let answer = request.operation === "public-key"
  ? { publicKey: createPublicKey(key).export({ format: "pem", type: "spki" }) }
  : { signature: sign(key.asymmetricKeyType === "ed25519" ? null : request.hash, Buffer.from(request.message, "base64"), key).toString("base64") };
${misbehave}
process.stdout.write(JSON.stringify(answer));
`;
}

const KEYS = {
  RSA: generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey,
  "P-256": generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey,
  "P-384": generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey,
  Ed25519: generateKeyPairSync("ed25519").privateKey,
};
const MESSAGE = Buffer.from("what is signed");

describe("command:", () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "cvm-command-"));
    mkdirSync(join(directory, "with blank"));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  function write(name: string, content: string): string {
    writeFileSync(join(directory, name), content, { mode: 0o700 });
    return name;
  }
  const open = (reference: string, timeoutMs?: number) =>
    openSigner(reference, { directory, environment: { PATH: process.env["PATH"] }, timeoutMs });
  const refusal = (opened: Promise<unknown>) =>
    opened.then(
      () => undefined,
      (error: unknown) => error as CvmError,
    );

  it.each(Object.entries(KEYS))("signs with a program that holds a key: %s", async (_, key) => {
    await using signer = await open(`command:./${write("sign", program(key))}`);
    const publicKey = createPublicKey(key);
    expect(signer.publicKey.equals(publicKey)).toBe(true);
    const signature = await signer.sign(MESSAGE, "sha384");
    expect(verify(key.asymmetricKeyType === "ed25519" ? null : "sha384", MESSAGE, publicKey, signature)).toBe(true);
  });

  it("splits arguments at blanks, or takes a JSON array of them, and never a shell", async () => {
    const path = write(
      "with blank/sign",
      program(KEYS["P-256"], "process.stderr.write(process.argv.slice(2).join('|')); process.exit(3)"),
    );
    const array = JSON.stringify([`./${path}`, "a b", "$HOME", ";"]);
    expect((await refusal(open(`command:${array}`)))?.message).toMatch(/got status 3: a b\|\$HOME\|;$/);
    write("sign", program(KEYS["P-256"], "process.stderr.write(process.argv.slice(2).join('|')); process.exit(3)"));
    expect((await refusal(open("command:./sign --key  one")))?.message).toMatch(/got status 3: --key\|one$/);
  });

  it.each<[string, string, RegExp]>([
    [
      "fails",
      "console.error('no\\u001b[31m such\\nkey'); process.exit(1)",
      /expected an answer, got status 1: no\?\[31m such key$/,
    ],
    ["dies", "process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 1000)", /expected an answer, got SIGTERM$/],
    ["says too much", "answer = 'x'.repeat(100_000)", /expected an answer, got more than 65536 bytes$/],
    ["says nothing", "process.exit(0)", /expected one JSON object with "publicKey"/],
    ["says what is not JSON", "process.stdout.write('#')", /expected one JSON object with "publicKey"/],
    ["says null", "answer = null", /expected "publicKey" and nothing else/],
    ["says something more", "answer.more = 1", /expected "publicKey" and nothing else/],
    ["gives a number", "answer.publicKey = 1", /expected "publicKey" and nothing else/],
    ["gives no public key", "answer.publicKey = 'x'", /expected a public key as PEM/],
    [
      "gives a damaged public key",
      "answer.publicKey = '-----BEGIN PUBLIC KEY-----\\nMAA=\\n-----END PUBLIC KEY-----\\n'",
      /expected a public key as PEM/,
    ],
    [
      "gives its private key",
      "answer.publicKey = key.export({ format: 'pem', type: 'pkcs8' })",
      /expected a public key as PEM of SubjectPublicKeyInfo, got something else$/,
    ],
    [
      "has a key that does not sign here",
      "answer.publicKey = require('node:crypto').generateKeyPairSync('ed448').publicKey.export({ format: 'pem', type: 'spki' })",
      /expected RSA .* got a key of type ed448/,
    ],
  ])("refuses a program that %s", async (_, misbehave, message) => {
    const error = await refusal(open(`command:./${write("bad", program(KEYS["P-256"], misbehave))}`));
    expect(error?.code).toBe("signer");
    expect(error?.message).toMatch(message);
  });

  it.each<[string, string, RegExp]>([
    [
      "of another message",
      "answer.signature = sign('sha256', Buffer.from('else'), key).toString('base64')",
      /verifies, got another$/,
    ],
    [
      "with another digest",
      "answer.signature = sign('sha512', Buffer.from(request.message, 'base64'), key).toString('base64')",
      /verifies, got another$/,
    ],
    ["that is not base64", "answer.signature = '*'", /expected a signature in base64/],
    ["that is empty", "answer.signature = ''", /expected a signature in base64/],
  ])("lets no signature out %s", async (_, misbehave, message) => {
    const text = program(KEYS["P-256"], `if (request.operation === "sign") { ${misbehave} }`);
    await using signer = await open(`command:./${write("bad", text)}`);
    const error = await refusal(signer.sign(MESSAGE, "sha256"));
    expect(error?.code).toBe("signer");
    expect(error?.message).toMatch(message);
  });

  it("ends a program that does not answer, whatever it has started", async () => {
    write("slow", "#!/bin/sh\nsleep 5 &\nsleep 5\n");
    const error = await refusal(open("command:./slow", 200));
    expect(error?.message).toBe(
      `cannot run command "${join(directory, "slow")}": expected an answer, got none in 0.2 s`,
    );
  });

  it("says that there is no such program", async () => {
    const error = await refusal(open("command:cvm-no-such-program"));
    expect(error).toMatchObject({
      code: "signer",
      message: 'cannot run command "cvm-no-such-program": expected an answer, got ENOENT',
      hint: "name a program that is in PATH, or its path",
    });
  });

  it.each<[string, string, string]>([
    ["a file in a folder's place", "command:./plain/sign", "ENOTDIR"],
    ["an argument that ends a string", String.raw`command:["sh", "a\u0000b"]`, "ERR_INVALID_ARG_VALUE"],
    ["too long an argument", `command:sh ${"x".repeat(3_000_000)}`, "E2BIG"],
  ])("refuses %s", async (_, reference, reason) => {
    writeFileSync(join(directory, "plain"), "");
    const error = await refusal(open(reference));
    expect(error).toMatchObject({ code: "signer", message: expect.stringContaining(`got ${reason}`) as string });
  });

  it("takes no name of the language's own for a scheme", async () => {
    const error = await refusal(open("constructor:key"));
    expect(error).toMatchObject({ code: "signer", message: expect.stringContaining("no such file") as string });
  });

  it.each(["command:", "command:  ", 'command:["a", 1]', "command:[]", 'command:[""]', 'command:["a"'])(
    "refuses %s",
    async (reference) => {
      const error = await refusal(open(reference));
      expect(error?.message).toMatch(/expected a program and its arguments, got something else$/);
    },
  );
});
