import { readFileSync } from "node:fs";
import { CvmError } from "@cvm-build/bytes";
import { requestJson, runForOutput, serviceUrl, textField } from "@cvm-build/signer-service";

const SERVICE = "Microsoft Entra ID";
const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/**
 * Obtains an access token for a vault: with the secret or the federated token of an application in the environment, else of
 * the Azure command line, which knows users and the identities of machines.
 * @throws CvmError `signer`
 * @see RFC 6749 section 4.4 and RFC 7523 section 2.2
 */
export async function obtainToken(
  vault: URL,
  options: { environment: Readonly<Record<string, string | undefined>>; timeoutMs: number },
): Promise<string> {
  const { environment, timeoutMs } = options;
  const { AZURE_TENANT_ID: tenant, AZURE_CLIENT_ID: client, AZURE_CLIENT_SECRET: secret } = environment;
  const scope = `https://${audienceOf(vault)}/.default`;
  const proof = secret ? { client_secret: secret } : federatedProof(environment["AZURE_FEDERATED_TOKEN_FILE"]);
  if (tenant && client && proof) {
    const authority = environment["AZURE_AUTHORITY_HOST"] ?? "https://login.microsoftonline.com/";
    const base = authority.replace(/\/*$/, "/");
    const url = serviceUrl(`${encodeURIComponent(tenant)}/oauth2/v2.0/token`, { base, service: SERVICE });
    const body = new URLSearchParams({ grant_type: "client_credentials", client_id: client, scope, ...proof });
    return textField(
      await requestJson(url, { method: "POST", body, service: SERVICE, timeoutMs }),
      "access_token",
      SERVICE,
    );
  }
  const command = ["az", "account", "get-access-token", "--scope", scope] as const;
  const instead = "AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET or AZURE_FEDERATED_TOKEN_FILE";
  return runForOutput([...command, "--query", "accessToken", "--output", "tsv"], { ...options, instead });
}

function federatedProof(path: string | undefined) {
  if (!path) return undefined;
  try {
    return { client_assertion_type: ASSERTION_TYPE, client_assertion: readFileSync(path, "utf8").trim() };
  } catch (cause) {
    throw new CvmError("signer", `cannot read federated token "${path}": expected a file, got none that is readable`, {
      cause,
    });
  }
}

/** What a vault's tokens are for: its domain without the vault's own name, in every Azure cloud. */
function audienceOf({ hostname }: URL): string {
  return /^[^.]+\.((?:vault|managedhsm)\..+)$/.exec(hostname)?.[1] ?? "vault.azure.net";
}
