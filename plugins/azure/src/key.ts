import { createPublicKey, type JsonWebKey, type KeyObject } from "node:crypto";
import { CvmError } from "@cvm-build/bytes";
import { type Answer, plainCredential, requestJson, serviceUrl, textField } from "@cvm-build/signer-service";
import type { ExternalKey, SignatureHash, SignerOptions } from "@cvm-build/uki";
import { obtainToken } from "./token.ts";

const SERVICE = "Azure Key Vault";
const TIMEOUT_MS = 30_000;
const API_VERSION = "7.4";
const KEY_PATH = /^\/keys\/[A-Za-z0-9-]+(?:\/[0-9a-f]+)?$/;
const LOOPBACK = new Set(["127.0.0.1", "localhost", "[::1]"]);

/** Which algorithms a key signs with, by its type and curve, and the hash of each. */
const ALGORITHMS: Readonly<Record<string, Partial<Record<SignatureHash, string>>>> = {
  RSA: { sha256: "RS256", sha384: "RS384", sha512: "RS512" },
  "P-256": { sha256: "ES256" },
  "P-384": { sha384: "ES384" },
};

/**
 * Opens a key in Azure Key Vault or a Managed HSM.
 * @param reference `azurekms:` with the key's identifier, `https://VAULT.vault.azure.net/keys/NAME[/VERSION]`
 * @throws CvmError `signer`
 * @see Azure Key Vault REST API 7.4, Get Key and Sign; RFC 7518 section 3
 */
export async function openKey(
  reference: string,
  { environment, timeoutMs = TIMEOUT_MS }: SignerOptions,
): Promise<ExternalKey> {
  const identifier = parseIdentifier(reference);
  const token = await obtainToken(identifier, { environment, timeoutMs });
  const authorization = `Bearer ${plainCredential(token, SERVICE)}`;
  const headers = { authorization, "content-type": "application/json" };
  const call = (url: URL, init: RequestInit): Promise<Answer> => {
    url.searchParams.set("api-version", API_VERSION);
    return requestJson(url, { ...init, headers, service: SERVICE, timeoutMs });
  };

  const { key } = await call(new URL(identifier), { method: "GET" });
  const jwk = (key ?? {}) as Answer;
  // The version that was described is the one that signs, whatever becomes current meanwhile.
  const version = serviceUrl(`${textField(jwk, "kid", SERVICE)}/sign`, { service: SERVICE });
  if (version.origin !== identifier.origin) {
    throw new CvmError(
      "signer",
      `cannot use key "${reference}": expected a key of that vault, got one of ${version.origin}`,
    );
  }
  const publicKey = decodePublicKey(jwk);
  const algorithms = ALGORITHMS[publicKey.asymmetricKeyType === "rsa" ? "RSA" : String(jwk["crv"])] ?? {};
  return {
    publicKey,
    ecdsaEncoding: "ieee-p1363",
    sign: async ({ digest, hash }) => {
      const alg = algorithms[hash];
      if (alg === undefined) {
        const expected = Object.keys(algorithms).join(", ") || "a key that signs";
        throw new CvmError("signer", `cannot sign with key "${reference}": expected ${expected}, got ${hash}`);
      }
      const body = JSON.stringify({ alg, value: digest.toString("base64url") });
      return Buffer.from(textField(await call(version, { method: "POST", body }), "value", SERVICE), "base64url");
    },
    close: () => Promise.resolve(),
  };
}

function parseIdentifier(reference: string): URL {
  const text = reference.slice("azurekms:".length);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isSafe = url?.protocol === "https:" || (url?.protocol === "http:" && LOOPBACK.has(url.hostname));
  if (url && isSafe && KEY_PATH.test(url.pathname) && url.search === "" && url.username === "") return url;
  throw new CvmError("signer", `cannot use key "${reference}": expected a key's identifier, got something else`, {
    hint: "azurekms:https://VAULT.vault.azure.net/keys/NAME, with /VERSION where it must not change",
  });
}

/** A key whose type says that it is in hardware is the same key. */
function decodePublicKey(jwk: Answer): KeyObject {
  const { kty, n, e, crv, x, y } = jwk as JsonWebKey;
  try {
    return createPublicKey({ format: "jwk", key: { kty: kty?.replace(/-HSM$/, ""), n, e, crv, x, y } as JsonWebKey });
  } catch (cause) {
    throw new CvmError("signer", `cannot sign with ${SERVICE}: expected an RSA or EC key, got something else`, {
      cause,
    });
  }
}
