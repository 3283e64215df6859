import { execFileSync } from "node:child_process";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keySigner, signRootHash } from "@cvm-build/uki";
import { afterAll, describe, expect, it } from "vitest";
import { requirePeers } from "../support/peers.ts";

const ROOT_HASH = "28c3f930dde34d9e8d9426b626c1a379a0efc05b8e9ebebf7d9c6dbd2f2f47c4";

describe.skipIf(!requirePeers("openssl"))("signRootHash against openssl", () => {
  const folder = mkdtempSync(join(tmpdir(), "cvm-root-hash-"));
  const path = (name: string): string => join(folder, name);
  const openssl = (...args: string[]): Buffer => execFileSync("openssl", args, { stdio: ["ignore", "pipe", "pipe"] });
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each([
    ["RSA", ["rsa:2048"]],
    ["P-256", ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]],
    ["P-384", ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"]],
  ] as const)("is verified, with %s; with RSA the bytes are the same", async (kind, newKey) => {
    const [key, pem, hash, signature] = [path("key"), path("pem"), path("hash"), path("p7s")];
    openssl("req", "-x509", "-newkey", ...newKey, "-nodes", "-subj", "/CN=verity", "-keyout", key, "-out", pem);
    writeFileSync(hash, ROOT_HASH);
    const certificate = new X509Certificate(readFileSync(pem));
    const signer = keySigner(createPrivateKey(readFileSync(key)), key);
    const ours = await signRootHash(ROOT_HASH, { signer, certificates: [certificate] });
    writeFileSync(signature, ours);
    // As systemd verifies: the signer's certificate is trusted for itself.
    const verify = ["-verify", "-binary", "-inform", "der", "-in", signature, "-content", hash, "-CAfile", pem];
    for (const program of ["smime", "cms"]) {
      expect(openssl(program, ...verify, "-purpose", "any").toString()).toBe(ROOT_HASH);
    }
    const sign = ["-sign", "-noattr", "-binary", "-in", hash, "-inkey", key, "-signer", pem, "-outform", "der"];
    if (kind === "RSA") expect(ours.equals(openssl("smime", ...sign, "-md", "sha256"))).toBe(true);
    writeFileSync(hash, `${ROOT_HASH}\n`);
    expect(() => openssl("smime", ...verify, "-purpose", "any")).toThrow();
  });
});
