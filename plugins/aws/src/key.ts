import { createPublicKey, type KeyObject } from "node:crypto";
import { CvmError } from "@cvm-build/bytes";
import { type Answer, requestJson, serviceUrl, textField } from "@cvm-build/signer-service";
import type { ExternalKey, SignerOptions } from "@cvm-build/uki";
import { AwsClient } from "aws4fetch";
import { obtainCredentials } from "./credentials.ts";

const SERVICE = "AWS KMS";
const TIMEOUT_MS = 30_000;

/**
 * Opens a key in AWS KMS.
 * @param reference `awskms:` with a key id, an alias or an ARN, whose region is taken before the environment's
 * @throws CvmError `signer`
 * @see AWS KMS API Reference, GetPublicKey and Sign
 */
export async function openKey(
  reference: string,
  { environment, timeoutMs = TIMEOUT_MS }: SignerOptions,
): Promise<ExternalKey> {
  const keyId = reference.slice("awskms:".length);
  const region = regionOf(keyId) ?? environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"];
  if (region === undefined) {
    throw new CvmError("signer", `cannot use key "${reference}": expected a region, got none`, {
      hint: "name the key by its ARN, or set AWS_REGION",
    });
  }
  const address = environment["AWS_ENDPOINT_URL_KMS"] ?? environment["AWS_ENDPOINT_URL"] ?? publicEndpoint(region);
  const endpoint = serviceUrl(address, { service: SERVICE });
  const credentials = await obtainCredentials({ environment, timeoutMs });
  const client = new AwsClient({ ...credentials, service: "kms", region });
  const call = async (operation: string, body: Answer): Promise<Answer> => {
    const request = await client.sign(endpoint, {
      method: "POST",
      headers: { "content-type": "application/x-amz-json-1.1", "x-amz-target": `TrentService.${operation}` },
      body: JSON.stringify({ KeyId: keyId, ...body }),
    });
    return requestJson(request, { service: SERVICE, timeoutMs });
  };

  const described = await call("GetPublicKey", {});
  const publicKey = decodePublicKey(textField(described, "PublicKey", SERVICE));
  const scheme = publicKey.asymmetricKeyType === "rsa" ? "RSASSA_PKCS1_V1_5" : "ECDSA";
  const algorithms = Array.isArray(described["SigningAlgorithms"]) ? described["SigningAlgorithms"] : [];
  return {
    publicKey,
    ecdsaEncoding: "der",
    sign: async ({ digest, hash }) => {
      const algorithm = `${scheme}_${hash.replace("sha", "SHA_")}`;
      if (!algorithms.includes(algorithm)) {
        const offered = algorithms.join(", ") || "none";
        throw new CvmError(
          "signer",
          `cannot sign with key "${reference}": expected ${algorithm} to be offered, got ${offered}`,
        );
      }
      const request = { Message: digest.toString("base64"), MessageType: "DIGEST", SigningAlgorithm: algorithm };
      return Buffer.from(textField(await call("Sign", request), "Signature", SERVICE), "base64");
    },
    close: () => Promise.resolve(),
  };
}

/** The region within an ARN: `arn:aws:kms:eu-west-1:111122223333:key/…`. */
function regionOf(keyId: string): string | undefined {
  return /^arn:[^:]+:kms:([a-z0-9-]+):/.exec(keyId)?.[1];
}

function publicEndpoint(region: string): string {
  return `https://kms.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}/`;
}

function decodePublicKey(spki: string): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(spki, "base64"), format: "der", type: "spki" });
  } catch (cause) {
    throw new CvmError("signer", `cannot sign with ${SERVICE}: expected a public key in DER, got something else`, {
      cause,
    });
  }
}
