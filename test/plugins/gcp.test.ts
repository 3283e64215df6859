import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSigner, type SignatureHash } from "@cvm-build/uki";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type HttpServer, startHttpServer } from "../support/http-server.ts";

const MESSAGE = Buffer.from("what is signed");
const NAME = "projects/p/locations/europe-west1/keyRings/r/cryptoKeys/db/cryptoKeyVersions/3";
const RSA = generateKeyPairSync("rsa", { modulusLength: 4096 }).privateKey;
const P256 = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;

/** Cloud KMS as its API reference describes it, on this machine; Google Cloud itself is not called. */
describe("gcpkms:", () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "cvm-gcp-"));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  function kms(key: KeyObject, algorithm: string) {
    return startHttpServer(({ method, path, headers, body }) => {
      if (headers.authorization !== "Bearer the-token") {
        return {
          status: 401,
          body: { error: { code: 401, message: "Invalid credentials.", status: "UNAUTHENTICATED" } },
        };
      }
      if (method === "GET") {
        expect(path).toBe(`/v1/${NAME}/publicKey`);
        return { body: { name: NAME, algorithm, pem: createPublicKey(key).export({ format: "pem", type: "spki" }) } };
      }
      expect([method, path]).toEqual(["POST", `/v1/${NAME}:asymmetricSign`]);
      const { digest, data } = JSON.parse(body) as { digest?: Record<string, string>; data?: string };
      if (key.asymmetricKeyType === "ed25519") {
        expect([digest, data]).toEqual([undefined, MESSAGE.toString("base64")]);
        return { body: { signature: sign(null, MESSAGE, key).toString("base64") } };
      }
      const hash = algorithm.replace(/.*_SHA/, "sha");
      expect([digest, data]).toEqual([{ [hash]: createHash(hash).update(MESSAGE).digest("base64") }, undefined]);
      return { body: { signature: sign(hash, MESSAGE, key).toString("base64") } };
    });
  }

  const open = (
    server: HttpServer,
    environment: Record<string, string> = { CLOUDSDK_AUTH_ACCESS_TOKEN: "the-token" },
  ) =>
    openSigner(`gcpkms:${NAME}`, {
      directory,
      environment: { CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS: `${server.url}/`, ...environment },
      timeoutMs: 2000,
    });

  it.each<[string, KeyObject, SignatureHash]>([
    ["RSA_SIGN_PKCS1_4096_SHA256", RSA, "sha256"],
    ["RSA_SIGN_PKCS1_4096_SHA512", RSA, "sha512"],
    ["EC_SIGN_P256_SHA256", P256, "sha256"],
    ["EC_SIGN_P384_SHA384", generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey, "sha384"],
    ["EC_SIGN_ED25519", generateKeyPairSync("ed25519").privateKey, "sha512"],
  ])("signs with %s", async (algorithm, key, hash) => {
    await using server = await kms(key, algorithm);
    await using signer = await open(server);
    const name = key.asymmetricKeyType === "ed25519" ? null : hash;
    expect(verify(name, MESSAGE, createPublicKey(key), await signer.sign(MESSAGE, hash))).toBe(true);
  });

  it.each<[string, Record<string, string>, string]>([
    ["auth print-access-token", {}, "of the user"],
    ["auth application-default print-access-token", { GOOGLE_APPLICATION_CREDENTIALS: "/run/key.json" }, "of a file"],
  ])("asks gcloud %s where the environment has no token", async (args, environment) => {
    writeFileSync(join(directory, "gcloud"), `#!/bin/sh\n[ "$*" = "${args}" ] && echo the-token\n`, { mode: 0o755 });
    await using server = await kms(P256, "EC_SIGN_P256_SHA256");
    await using signer = await open(server, { PATH: directory, ...environment });
    expect((await signer.sign(MESSAGE, "sha256")).length).toBeGreaterThan(64);
  });

  it("repeats no token that cannot be sent, and no address that is none", async () => {
    await using server = await kms(P256, "EC_SIGN_P256_SHA256");
    const refused = open(server, { CLOUDSDK_AUTH_ACCESS_TOKEN: "a warning\nthe-token" });
    await expect(refused).rejects.toThrow(/^cannot sign with Google Cloud KMS: expected credentials of one line/);
    await expect(refused).rejects.not.toHaveProperty("cause");
    expect(server.received).toEqual([]);
    const nowhere = { CLOUDSDK_AUTH_ACCESS_TOKEN: "the-token", CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS: "nowhere" };
    await expect(open(server, nowhere)).rejects.toThrow(
      'cannot sign with Google Cloud KMS: expected an address, got "nowhere"',
    );
  });

  it("says what the service says", async () => {
    await using server = await kms(P256, "EC_SIGN_P256_SHA256");
    await expect(open(server, { CLOUDSDK_AUTH_ACCESS_TOKEN: "another" })).rejects.toThrow(
      "cannot sign with Google Cloud KMS: expected an answer in JSON, got status 401: UNAUTHENTICATED Invalid credentials.",
    );
  });

  it.each<[string, SignatureHash, RegExp]>([
    ["EC_SIGN_P256_SHA256", "sha384", /expected sha384, got a key for EC_SIGN_P256_SHA256$/],
    ["RSA_SIGN_PSS_2048_SHA256", "sha256", /expected RSA_SIGN_PKCS1, .*, got a key for RSA_SIGN_PSS_2048_SHA256$/],
  ])("refuses to have %s sign %s", async (algorithm, hash, message) => {
    await using server = await kms(algorithm.startsWith("RSA") ? RSA : P256, algorithm);
    await using signer = await open(server);
    await expect(signer.sign(MESSAGE, hash)).rejects.toThrow(message);
    expect(server.received).toHaveLength(1);
  });

  it("refuses the name of a key without its version", async () => {
    const name = NAME.replace("/cryptoKeyVersions/3", "");
    await expect(openSigner(`gcpkms:${name}`, { directory, environment: {} })).rejects.toThrow(
      /expected the name of a key version, got another$/,
    );
  });
});
