import { createPublicKey, type KeyObject } from "node:crypto";
import { CvmError } from "@cvm-build/bytes";
import {
  type Answer,
  plainCredential,
  requestJson,
  runForOutput,
  serviceUrl,
  textField,
} from "@cvm-build/signer-service";
import type { ExternalKey, SignerOptions, SignRequest } from "@cvm-build/uki";

const SERVICE = "Google Cloud KMS";
const TIMEOUT_MS = 30_000;
const KEY_VERSION =
  /^projects\/[^/]+\/locations\/[^/]+\/keyRings\/[^/]+\/cryptoKeys\/[^/]+\/cryptoKeyVersions\/[0-9]+$/;
/** Algorithms whose signatures are ours, with the one hash that a key version is bound to. */
const ALGORITHM = /^(?:RSA_SIGN_PKCS1_[0-9]+|EC_SIGN_P(?:256|384))_(SHA(?:256|384|512))$/;

/**
 * Opens a key version in Google Cloud KMS.
 * @param reference `gcpkms:projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/V`
 * @throws CvmError `signer`
 * @see Cloud KMS API, projects.locations.keyRings.cryptoKeys.cryptoKeyVersions: getPublicKey and asymmetricSign
 */
export async function openKey(
  reference: string,
  { environment, timeoutMs = TIMEOUT_MS }: SignerOptions,
): Promise<ExternalKey> {
  const name = reference.slice("gcpkms:".length);
  if (!KEY_VERSION.test(name)) {
    throw new CvmError("signer", `cannot use key "${reference}": expected the name of a key version, got another`, {
      hint: "gcpkms:projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/1",
    });
  }
  const base = environment["CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS"] ?? "https://cloudkms.googleapis.com/";
  const token = await obtainToken({ environment, timeoutMs });
  const authorization = `Bearer ${plainCredential(token, SERVICE)}`;
  const headers = { authorization, "content-type": "application/json" };
  const call = (path: string, init: RequestInit): Promise<Answer> =>
    requestJson(serviceUrl(`v1/${name}${path}`, { base, service: SERVICE }), {
      ...init,
      headers,
      service: SERVICE,
      timeoutMs,
    });

  const described = await call("/publicKey", { method: "GET" });
  const algorithm = textField(described, "algorithm", SERVICE);
  return {
    publicKey: decodePublicKey(textField(described, "pem", SERVICE)),
    ecdsaEncoding: "der",
    sign: async (request) => {
      const body = JSON.stringify(signRequest(algorithm, { reference, request }));
      const answer = await call(":asymmetricSign", { method: "POST", body });
      return Buffer.from(textField(answer, "signature", SERVICE), "base64");
    },
    close: () => Promise.resolve(),
  };
}

async function obtainToken(options: {
  environment: Readonly<Record<string, string | undefined>>;
  timeoutMs: number;
}): Promise<string> {
  const { CLOUDSDK_AUTH_ACCESS_TOKEN: token, GOOGLE_APPLICATION_CREDENTIALS: file } = options.environment;
  if (token) return token;
  // With a file, of a service account or a federated identity, these are the credentials that Google's libraries would take.
  const command = file
    ? (["gcloud", "auth", "application-default", "print-access-token"] as const)
    : (["gcloud", "auth", "print-access-token"] as const);
  return runForOutput(command, { ...options, instead: "CLOUDSDK_AUTH_ACCESS_TOKEN" });
}

function signRequest(
  algorithm: string,
  { reference, request }: { reference: string; request: SignRequest },
): Readonly<Record<string, unknown>> {
  if (algorithm === "EC_SIGN_ED25519") return { data: Buffer.from(request.message).toString("base64") };
  const hash = ALGORITHM.exec(algorithm)?.[1]?.toLowerCase();
  if (hash === request.hash) return { digest: { [hash]: request.digest.toString("base64") } };
  const expected =
    hash === undefined ? "RSA_SIGN_PKCS1, EC_SIGN_P256, EC_SIGN_P384 or EC_SIGN_ED25519" : `${request.hash}`;
  throw new CvmError("signer", `cannot sign with key "${reference}": expected ${expected}, got a key for ${algorithm}`);
}

function decodePublicKey(pem: string): KeyObject {
  try {
    return createPublicKey(pem);
  } catch (cause) {
    throw new CvmError("signer", `cannot sign with ${SERVICE}: expected a public key in PEM, got something else`, {
      cause,
    });
  }
}
