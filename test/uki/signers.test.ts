import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSigner, readCertificates, type Signer } from "@cvm-build/uki";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { REPOSITORY } from "../support/cli.ts";
import { type JsonSchema, schemaViolations } from "../support/json-schema.ts";
import { requirePeers } from "../support/peers.ts";

const MESSAGE = "what is signed";
const PASSPHRASE = "correct horse";

/** OpenSSL writes the keys and judges the signatures. */
describe.runIf(requirePeers("openssl", "jq", "base64"))("signers against OpenSSL", () => {
  let directory: string;
  const openssl = (...args: string[]) =>
    execFileSync("openssl", args, { cwd: directory, stdio: ["ignore", "pipe", "pipe"] });
  const open = (reference: string) =>
    openSigner(reference, {
      directory,
      environment: { PATH: process.env["PATH"] },
      secrets: { passphraseFile: "pass" },
    });

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "cvm-signers-"));
    writeFileSync(join(directory, "message"), MESSAGE);
    writeFileSync(join(directory, "pass"), `${PASSPHRASE}\n`, { mode: 0o600 });
    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072", "-out", "rsa.key");
    openssl("genpkey", "-algorithm", "ED25519", "-out", "ed25519.key");
    for (const [name, curve] of Object.entries({ p256: "P-256", p384: "P-384" })) {
      openssl("genpkey", "-algorithm", "EC", "-pkeyopt", `ec_paramgen_curve:${curve}`, "-out", `${name}.key`);
    }
    for (const name of ["rsa", "ed25519", "p256", "p384"]) {
      openssl("pkey", "-in", `${name}.key`, "-pubout", "-out", `${name}.pub`);
    }
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  async function expectVerified(signer: Signer, name: string): Promise<void> {
    const file = join(directory, "signature");
    if (name === "ed25519") {
      writeFileSync(file, await signer.sign(Buffer.from(MESSAGE), "sha512"));
      const args = ["-verify", "-pubin", "-inkey", "ed25519.pub", "-rawin", "-in", "message", "-sigfile", "signature"];
      expect(openssl("pkeyutl", ...args).toString()).toContain("Verified Successfully");
      return;
    }
    for (const hash of ["sha256", "sha384", "sha512"] as const) {
      writeFileSync(file, await signer.sign(Buffer.from(MESSAGE), hash));
      const args = [`-${hash}`, "-verify", `${name}.pub`, "-signature", "signature", "message"];
      expect(openssl("dgst", ...args).toString()).toBe("Verified OK\n");
    }
  }

  it.each<[string, string, string[]]>([
    ["rsa", "PKCS#8", ["pkey", "-in", "rsa.key"]],
    ["rsa", "encrypted PKCS#8", ["pkey", "-in", "rsa.key", "-aes256", "-passout", "file:pass"]],
    ["rsa", "scrypt", ["pkcs8", "-topk8", "-in", "rsa.key", "-scrypt", "-passout", "file:pass"]],
    ["rsa", "PKCS#1", ["pkey", "-in", "rsa.key", "-traditional"]],
    ["rsa", "PKCS#1 in DER", ["pkey", "-in", "rsa.key", "-traditional", "-outform", "DER"]],
    ["rsa", "PKCS#8 in DER", ["pkcs8", "-topk8", "-nocrypt", "-in", "rsa.key", "-outform", "DER"]],
    [
      "p256",
      "encrypted PKCS#8 in DER",
      ["pkcs8", "-topk8", "-in", "p256.key", "-outform", "DER", "-passout", "file:pass"],
    ],
    ["p256", "encrypted SEC 1", ["ec", "-in", "p256.key", "-aes128", "-passout", "file:pass"]],
    ["p384", "SEC 1 in DER", ["ec", "-in", "p384.key", "-outform", "DER"]],
    ["ed25519", "PKCS#8", ["pkey", "-in", "ed25519.key"]],
  ])("%s: reads %s", async (name, _, args) => {
    openssl(...args, "-out", "other.key");
    execFileSync("chmod", ["600", join(directory, "other.key")]);
    await using signer = await open("other.key");
    await expectVerified(signer, name);
  });

  it.each<[string, string, string[]]>([
    ["rsa", "", []],
    ["rsa", "of old", ["-legacy"]],
    ["p256", "", []],
    ["p384", "of old", ["-legacy"]],
    ["p384", "with bags in clear", ["-keypbe", "NONE", "-certpbe", "NONE"]],
    ["ed25519", "without a MAC", ["-nomac"]],
  ])("%s: reads PKCS#12 %s, key and certificates", async (name, _, args) => {
    openssl("req", "-x509", "-key", "rsa.key", "-subj", "/CN=root", "-days", "2", "-out", "root.pem");
    openssl("req", "-new", "-key", `${name}.key`, "-subj", "/CN=leaf", "-out", "leaf.csr");
    openssl(
      "x509",
      "-req",
      "-in",
      "leaf.csr",
      "-CA",
      "root.pem",
      "-CAkey",
      "rsa.key",
      "-CAcreateserial",
      "-days",
      "2",
      "-out",
      "leaf.pem",
    );
    const files = ["-inkey", `${name}.key`, "-in", "leaf.pem", "-certfile", "root.pem", "-out", "both.p12"];
    openssl("pkcs12", "-export", ...args, ...files, "-passout", "file:pass");
    await using signer = await open("both.p12");
    await expectVerified(signer, name);
    const options = { directory, environment: {}, secrets: { passphraseFile: "pass" } };
    const certificates = await readCertificates("both.p12", options);
    // Where the root has the leaf's key too, it is still the leaf that nothing was issued by.
    expect(certificates.map(({ subject }) => subject)).toEqual(["CN=leaf", "CN=root"]);
    const [leaf] = certificates;
    expect(leaf?.publicKey.equals(signer.publicKey)).toBe(true);
    const wrong = { ...options, secrets: { ask: () => Promise.resolve("incorrect zebra") } };
    await expect(openSigner("both.p12", wrong)).rejects.toThrow(
      /^cannot open "both.p12": expected its passphrase, got another one$/,
    );
  });

  it.each(["rsa", "p256", "p384"])("%s: signs with the program of docs/signing.md", async (name) => {
    const [, script = ""] =
      /```sh\n(#!\/bin\/sh\n[\s\S]*?)```/.exec(readFileSync(join(REPOSITORY, "docs/signing.md"), "utf8")) ?? [];
    writeFileSync(join(directory, "sign-with-openssl"), script, { mode: 0o700 });
    await using signer = await open(`command:./sign-with-openssl ${name}.key`);
    await expectVerified(signer, name);
  });

  it("speaks to a program as the published schema says", async () => {
    const log = join(directory, "log");
    const script = `#!/bin/sh\nrequest=$(cat)\nprintf '%s\\n' "$request" >>log\nprintf %s "$request" | ./sign-with-openssl p256.key | tee -a log\n`;
    writeFileSync(join(directory, "logging"), script, { mode: 0o700 });
    await using signer = await open("command:./logging");
    await signer.sign(Buffer.from(MESSAGE), "sha256");
    const schema = JSON.parse(
      readFileSync(join(REPOSITORY, "docs/schemas/signer-command.schema.json"), "utf8"),
    ) as JsonSchema;
    const spoken = execFileSync("jq", ["-sc", ".", log]).toString();
    const kinds = ["publicKeyRequest", "publicKeyAnswer", "signRequest", "signAnswer"];
    for (const [index, document] of (JSON.parse(spoken) as unknown[]).entries()) {
      expect(schemaViolations(document, schema)).toEqual([]);
      expect(schemaViolations(document, { ...schema, oneOf: [{ $ref: `#/$defs/${kinds[index]}` }] })).toEqual([]);
    }
    expect(schemaViolations({ version: 1, operation: "sign" }, schema)).toHaveLength(1);
  });
});
