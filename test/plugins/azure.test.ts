import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSigner, type SignatureHash } from "@cvm-build/uki";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type HttpServer, type Received, type Reply, startHttpServer } from "../support/http-server.ts";

const MESSAGE = Buffer.from("what is signed");
const VERSION = "78deebed173b48e48f55abf87ed4cf71";
const RSA = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const P256 = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
const P384 = generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey;
const APPLICATION = { AZURE_TENANT_ID: "the-tenant", AZURE_CLIENT_ID: "the-application" };

/** Key Vault and Entra ID as their API references describe them, on this machine; Azure itself is not called. */
describe("azurekms:", () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "cvm-azure-"));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  function vault(key: KeyObject, { hsm = "", kidHost = "" } = {}) {
    return startHttpServer((request) => {
      const { method, path, headers, body } = request;
      if (path === "/the-tenant/oauth2/v2.0/token") return entraId(request);
      if (headers.authorization !== "Bearer the-token") {
        return { status: 401, body: { error: { code: "Unauthorized", message: "AKV10000: no bearer token." } } };
      }
      if (method === "GET") {
        expect(path).toBe("/keys/db?api-version=7.4");
        const jwk = createPublicKey(key).export({ format: "jwk" });
        const kid = `http://${kidHost || headers.host}/keys/db/${VERSION}`;
        return { body: { key: { ...jwk, kid, kty: `${jwk.kty}${hsm}`, key_ops: ["sign", "verify"] } } };
      }
      expect([method, path]).toEqual(["POST", `/keys/db/${VERSION}/sign?api-version=7.4`]);
      const { alg, value } = JSON.parse(body) as { alg: string; value: string };
      expect(alg.slice(0, 2)).toBe(key.asymmetricKeyType === "rsa" ? "RS" : "ES");
      const hash = `sha${alg.slice(2)}`;
      expect(value).toBe(createHash(hash).update(MESSAGE).digest("base64url"));
      // JSON Web Signatures on curves are r and s of fixed length: RFC 7518 section 3.4.
      const signature = sign(hash, MESSAGE, { key, dsaEncoding: "ieee-p1363" });
      return { body: { kid: `http://${headers.host}/keys/db/${VERSION}`, value: signature.toString("base64url") } };
    });
  }

  function entraId({ method, headers, body }: Received): Reply {
    expect([method, headers["content-type"]]).toEqual(["POST", "application/x-www-form-urlencoded;charset=UTF-8"]);
    const {
      client_secret: secret,
      client_assertion: assertion,
      ...form
    } = Object.fromEntries(new URLSearchParams(body));
    const common = {
      grant_type: "client_credentials",
      client_id: "the-application",
      scope: "https://vault.azure.net/.default",
    };
    const bearer = { client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" };
    if (assertion === "federated") expect(form).toEqual({ ...common, ...bearer });
    else if (secret === "the-secret") expect(form).toEqual(common);
    else
      return {
        status: 401,
        body: { error: "invalid_client", error_description: "AADSTS7000215: Invalid client secret." },
      };
    return { body: { token_type: "Bearer", expires_in: 3599, access_token: "the-token" } };
  }

  const open = (server: HttpServer, environment: Record<string, string>) =>
    openSigner(`azurekms:${server.url}/keys/db`, {
      directory,
      environment: { AZURE_AUTHORITY_HOST: server.url, ...environment },
      timeoutMs: 2000,
    });

  it.each<[string, KeyObject, SignatureHash, string]>([
    ["RSA", RSA, "sha256", ""],
    ["RSA", RSA, "sha384", ""],
    ["RSA in hardware", RSA, "sha512", "-HSM"],
    ["P-256", P256, "sha256", ""],
    ["P-384 in hardware", P384, "sha384", "-HSM"],
  ])("signs with %s", async (_, key, hash, hsm) => {
    await using server = await vault(key, { hsm });
    await using signer = await open(server, { ...APPLICATION, AZURE_CLIENT_SECRET: "the-secret" });
    expect(verify(hash, MESSAGE, createPublicKey(key), await signer.sign(MESSAGE, hash))).toBe(true);
  });

  it("takes a federated token, and asks the Azure command line where there is neither", async () => {
    writeFileSync(join(directory, "token"), "federated\n");
    await using server = await vault(P256);
    await using federated = await open(server, {
      ...APPLICATION,
      AZURE_FEDERATED_TOKEN_FILE: join(directory, "token"),
    });
    expect(federated.publicKey.equals(createPublicKey(P256))).toBe(true);
    const args = "account get-access-token --scope https://vault.azure.net/.default --query accessToken --output tsv";
    writeFileSync(join(directory, "az"), `#!/bin/sh\n[ "$*" = "${args}" ] && echo the-token\n`, { mode: 0o755 });
    await using user = await open(server, { PATH: directory });
    expect(user.publicKey.equals(createPublicKey(P256))).toBe(true);
  });

  it("repeats no token that cannot be sent, and no address that is none", async () => {
    await using server = await vault(P256);
    writeFileSync(join(directory, "az"), "#!/bin/sh\nprintf 'a warning\\nthe-token'\n", { mode: 0o755 });
    const refused = open(server, { PATH: directory });
    await expect(refused).rejects.toThrow(/^cannot sign with Azure Key Vault: expected credentials of one line/);
    const application = { ...APPLICATION, AZURE_CLIENT_SECRET: "the-secret" };
    await expect(open(server, { ...application, AZURE_AUTHORITY_HOST: "nowhere" })).rejects.toThrow(
      'cannot sign with Microsoft Entra ID: expected an address, got "nowhere/"',
    );
  });

  it("says what the services say", async () => {
    await using server = await vault(P256);
    await expect(open(server, { ...APPLICATION, AZURE_CLIENT_SECRET: "another" })).rejects.toThrow(
      "cannot sign with Microsoft Entra ID: expected an answer in JSON, got status 401: invalid_client AADSTS7000215: Invalid client secret.",
    );
    writeFileSync(join(directory, "az"), "#!/bin/sh\necho another\n", { mode: 0o755 });
    await expect(open(server, { PATH: directory })).rejects.toThrow(
      "cannot sign with Azure Key Vault: expected an answer in JSON, got status 401: Unauthorized AKV10000: no bearer token.",
    );
  });

  it("refuses a hash that the key does not sign", async () => {
    await using server = await vault(P256);
    await using signer = await open(server, { ...APPLICATION, AZURE_CLIENT_SECRET: "the-secret" });
    await expect(signer.sign(MESSAGE, "sha384")).rejects.toThrow(/expected sha256, got sha384$/);
  });

  it("sends its token nowhere else", async () => {
    await using server = await vault(P256, { kidHost: "127.0.0.2" });
    await expect(open(server, { ...APPLICATION, AZURE_CLIENT_SECRET: "the-secret" })).rejects.toThrow(
      /expected a key of that vault, got one of http:\/\/127.0.0.2$/,
    );
  });

  it.each([
    "azurekms:http://vault.vault.azure.net/keys/db",
    "azurekms:https://vault.vault.azure.net/secrets/db",
    "azurekms:https://user@vault.vault.azure.net/keys/db",
    "azurekms:https://vault.vault.azure.net/keys/db?x=1",
    "azurekms:vault/db",
  ])("refuses %s", async (reference) => {
    await expect(openSigner(reference, { directory, environment: {} })).rejects.toThrow(
      /expected a key's identifier, got something else$/,
    );
  });
});
