import { CvmError } from "@cvm-build/bytes";
import { plainCredential, runForOutput } from "@cvm-build/signer-service";

/** What requests are signed with. */
export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

/**
 * Obtains credentials: of the environment, else of the AWS command line, which knows profiles, single sign-on, roles and
 * the metadata of machines and containers.
 * @throws CvmError `signer`
 */
export async function obtainCredentials(options: {
  environment: Readonly<Record<string, string | undefined>>;
  timeoutMs: number;
}): Promise<Credentials> {
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: token } = options.environment;
  if (id && secret) return credentials(id, secret, token);
  const command = ["aws", "configure", "export-credentials", "--format", "process"] as const;
  const output = await runForOutput(command, {
    ...options,
    instead: "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
  });
  try {
    const { AccessKeyId, SecretAccessKey, SessionToken } = JSON.parse(output) as Record<string, string>;
    if (AccessKeyId && SecretAccessKey) return credentials(AccessKeyId, SecretAccessKey, SessionToken);
  } catch {
    // Refused below, without its text, which may have a secret in it.
  }
  throw new CvmError("signer", 'cannot obtain credentials from "aws": expected them in JSON, got something else');
}

function credentials(accessKeyId: string, secretAccessKey: string, sessionToken: string | undefined): Credentials {
  const plain = (text: string) => plainCredential(text, "AWS KMS");
  return {
    accessKeyId: plain(accessKeyId),
    secretAccessKey: plain(secretAccessKey),
    ...(sessionToken && { sessionToken: plain(sessionToken) }),
  };
}
