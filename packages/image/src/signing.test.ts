import { generateKeyPairSync } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ValidationSettings } from "@cvm-build/profile";
import { beforeAll, describe, expect, it } from "vitest";
import { makeKeys } from "./keys.ts";
import { makeProject } from "./project.fixture.ts";
import { openImageSigners } from "./signing.ts";

describe("openImageSigners", () => {
  const project = makeProject({});
  const secureBoot = { secureBoot: true, secureBootKey: "keys/db.key", secureBootCertificate: "keys/db.crt" };
  const pcr = { signExpectedPcr: true, signExpectedPcrKeys: ["keys/tpm2-pcr-private-key.pem"] };
  const open = (validation: Partial<ValidationSettings>) => {
    const none: ValidationSettings = {
      secureBoot: false,
      signExpectedPcr: false,
      signExpectedPcrKeys: [],
      verity: "auto",
    };
    return openImageSigners({ validation: { ...none, ...validation } }, project.surroundings);
  };

  beforeAll(async () => {
    await makeKeys(
      { output: "keys", algorithm: "p256", name: "Example", validYears: 1, dbCertificates: [] },
      project.surroundings,
    );
    const ed25519 = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" });
    writeFileSync(join(project.path, "keys/ed25519.key"), ed25519, { mode: 0o600 });
    const chain = readFileSync(join(project.path, "keys/db.crt"), "utf8").repeat(33);
    writeFileSync(join(project.path, "keys/chain.crt"), chain);
    return () => project[Symbol.dispose]();
  });

  it("opens what a profile names, and nothing without", async () => {
    await using signers = await open({ ...secureBoot, ...pcr });
    expect(signers.secureBoot?.certificates[0]?.publicKey.equals(signers.secureBoot.signer.publicKey)).toBe(true);
    expect(signers.pcr.map(({ publicKey }) => publicKey.asymmetricKeyType)).toEqual(["rsa"]);
    await using nobody = await open({});
    expect([nobody.secureBoot, nobody.pcr]).toEqual([undefined, []]);
  });

  it.each<[string, Partial<ValidationSettings>, string, string]>([
    ["a key without its name", { secureBoot: true }, "setting", "expected Validation.SecureBootKey=, got none"],
    ["another key's certificate", { ...secureBoot, secureBootKey: "keys/PK.key" }, "certificate", 'got that of "CN='],
    [
      "a key that no image is signed with",
      { ...secureBoot, secureBootKey: "keys/ed25519.key" },
      "certificate",
      "P-256",
    ],
    ["too many certificates", { ...secureBoot, secureBootCertificate: "keys/chain.crt" }, "certificate", "at most 32"],
    [
      "a key that no TPM verifies",
      { ...pcr, signExpectedPcrKeys: ["keys/db.key"] },
      "pcr-policy",
      "expected an RSA key",
    ],
  ])("refuses %s before anything is built", async (_, validation, code, message) => {
    await expect(open(validation)).rejects.toMatchObject({ code, message: expect.stringContaining(message) as string });
  });
});
