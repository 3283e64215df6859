import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CvmError } from "@cvm-build/bytes";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readKeyFile } from "./key-file.ts";
import type { SecretSources } from "./options.ts";

const RSA = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const EC = generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey;
const ED25519 = generateKeyPairSync("ed25519").privateKey;
const PASSPHRASE = "correct horse";
const cipher = { cipher: "aes-256-cbc", passphrase: PASSPHRASE };

describe("readKeyFile", () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "cvm-key-file-"));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  function write(name: string, content: string | Buffer, mode = 0o600): string {
    writeFileSync(join(directory, name), content);
    chmodSync(join(directory, name), mode);
    return name;
  }
  const read = (name: string, secrets?: SecretSources) => readKeyFile(name, { directory, environment: {}, secrets });
  const refusal = (name: string, secrets?: SecretSources) =>
    read(name, secrets).then(
      () => undefined,
      (error: unknown) => error as CvmError,
    );

  const PLAIN: [string, KeyObject, string | Buffer][] = [
    ["PKCS#8 PEM", RSA, RSA.export({ format: "pem", type: "pkcs8" })],
    ["PKCS#8 DER", EC, EC.export({ format: "der", type: "pkcs8" })],
    ["PKCS#1 PEM", RSA, RSA.export({ format: "pem", type: "pkcs1" })],
    ["PKCS#1 DER", RSA, RSA.export({ format: "der", type: "pkcs1" })],
    ["SEC 1 PEM", EC, EC.export({ format: "pem", type: "sec1" })],
    ["SEC 1 DER", EC, EC.export({ format: "der", type: "sec1" })],
    ["Ed25519 PEM", ED25519, ED25519.export({ format: "pem", type: "pkcs8" })],
    [
      "PEM between other blocks and text",
      EC,
      `Bag Attributes\n-----BEGIN EC PARAMETERS-----\nBgUrgQQAIg==\n-----END EC PARAMETERS-----\n${EC.export({ format: "pem", type: "sec1" })}-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n`,
    ],
  ];
  it.each(PLAIN)("reads %s", async (name, key, content) => {
    expect((await read(write(name.replaceAll(/\W/g, ""), content))).equals(key)).toBe(true);
  });

  const ENCRYPTED: [string, KeyObject, string | Buffer][] = [
    ["PKCS#8 PEM", RSA, RSA.export({ format: "pem", type: "pkcs8", ...cipher })],
    ["PKCS#8 DER", RSA, RSA.export({ format: "der", type: "pkcs8", ...cipher })],
    ["PEM of SEC 1", EC, EC.export({ format: "pem", type: "sec1", ...cipher })],
  ];
  it.each(ENCRYPTED)("reads encrypted %s with a passphrase, asked for once", async (_, key, content) => {
    const path = write("encrypted", content);
    const questions: string[] = [];
    const ask = (answer: string) => async (question: string) => {
      questions.push(question);
      return answer;
    };
    expect((await read(path, { ask: ask(PASSPHRASE) })).equals(key)).toBe(true);
    expect(questions).toEqual(['passphrase of key "encrypted"']);
    const passphraseFile = write("passphrase", `${PASSPHRASE}\n`);
    expect((await read(path, { passphraseFile })).equals(key)).toBe(true);

    const wrong = await refusal(path, { ask: ask("incorrect zebra") });
    expect(wrong?.message).toBe('cannot open key "encrypted": expected its passphrase, got another one');
    expect(questions).toHaveLength(2);
    expect(JSON.stringify([wrong, wrong?.message, String(wrong?.cause)])).not.toContain("zebra");
  });

  it("says what to do where there is nobody to ask", async () => {
    const path = write("encrypted", EC.export({ format: "pem", type: "pkcs8", ...cipher }));
    expect(await refusal(path)).toMatchObject({
      code: "signer",
      message:
        'cannot obtain the passphrase of key "encrypted": expected a file that holds it or somebody to ask, got neither',
    });
  });

  it.each([0o640, 0o604, 0o660, 0o644, 0o601])("refuses a key of mode %o", async (mode) => {
    const error = await refusal(write("open.key", RSA.export({ format: "pem", type: "pkcs8" }), mode));
    expect(error).toMatchObject({ code: "signer", hint: "chmod 600 open.key" });
    expect(error?.message).toMatch(/expected permissions for its owner alone, got 06../);
  });

  it("judges the file that a link leads to", async () => {
    write("private.key", ED25519.export({ format: "pem", type: "pkcs8" }), 0o400);
    symlinkSync("private.key", join(directory, "link.key"));
    expect((await read("link.key")).equals(ED25519)).toBe(true);
    chmodSync(join(directory, "private.key"), 0o440);
    expect(await refusal("link.key")).toMatchObject({ code: "signer" });
  });

  it("refuses a passphrase file that others may read, and one of several lines", async () => {
    const path = write("encrypted", EC.export({ format: "pem", type: "pkcs8", ...cipher }));
    const open = await refusal(path, { passphraseFile: write("open", PASSPHRASE, 0o644) });
    expect(open).toMatchObject({ code: "signer", hint: "chmod 600 open" });
    const several = await refusal(path, { passphraseFile: write("several", `${PASSPHRASE}\nmore\n`) });
    expect(several?.message).toBe('cannot use passphrase file "several": expected one line, got several');
    const none = await refusal(path, { passphraseFile: write("none", "\n") });
    expect(none?.message).toBe('cannot use passphrase file "none": expected one line, got none');
  });

  it.each<[string, string | Buffer, RegExp]>([
    ["no key", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", /one private key, got CERTIFICATE$/],
    [
      "an OpenSSH key",
      "-----BEGIN OPENSSH PRIVATE KEY-----\nMAA=\n-----END OPENSSH PRIVATE KEY-----\n",
      /one private key, got OPENSSH PRIVATE KEY$/,
    ],
    ["two keys", `${PLAIN[0]?.[2]}${PLAIN[6]?.[2]}`, /expected one private key, got 2$/],
    ["a damaged block", "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n", /expected PKCS#8/],
    ["nonsense", Buffer.from("nonsense"), /expected PKCS#8, PKCS#1, SEC 1 or PKCS#12, got something else/],
    ["nothing", "", /expected PKCS#8/],
    ["what begins as PKCS#12 does", Buffer.from("3003020103", "hex"), /expected a PKCS#12 file, got: /],
    ["too much", Buffer.alloc((1 << 20) + 1), /expected at most 1048576 bytes, got more/],
  ])("refuses %s", async (_, content, message) => {
    const error = await refusal(write("bad.key", content), { ask: () => Promise.resolve("") });
    expect(error?.code).toBe("signer");
    expect(error?.message).toMatch(message);
  });

  it("names a file that is not there, and a directory", async () => {
    expect((await refusal("absent.key"))?.message).toBe(
      `cannot read key "absent.key": expected a file, got no such file ${join(directory, "absent.key")}`,
    );
    expect((await refusal("."))?.message).toBe('cannot read key ".": expected a file, got EISDIR');
  });
});
