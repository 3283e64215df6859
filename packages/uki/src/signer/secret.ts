import { ukiError } from "../error.ts";
import type { SecretSources, SignerOptions } from "./options.ts";
import { readSmallFile, requirePrivate } from "./private-file.ts";

/** What was read or answered, by file or question: a pipe can be read once, and nobody is asked the same twice. */
const obtained = new WeakMap<SecretSources, Map<string, string>>();

/**
 * Obtains a passphrase or PIN: from its file where there is one, else by asking.
 * @param purpose such as `passphrase of key "db.key"`
 * @throws CvmError `signer` where there is neither, or the file is unfit
 */
export async function obtainSecret(purpose: string, { directory, secrets = {} }: SignerOptions): Promise<string> {
  const known = obtained.get(secrets) ?? new Map<string, string>();
  obtained.set(secrets, known);
  const source = secrets.passphraseFile ?? purpose;
  const secret = known.get(source) ?? (await readOrAsk(purpose, { directory, secrets }));
  known.set(source, secret);
  return secret;
}

async function readOrAsk(
  purpose: string,
  { directory, secrets: { passphraseFile, ask } }: { directory: string; secrets: SecretSources },
): Promise<string> {
  if (passphraseFile !== undefined) return readSecretFile(passphraseFile, { directory, what: "passphrase file" });
  if (ask) return await ask(purpose);
  throw ukiError(
    "signer",
    `cannot obtain the ${purpose}: expected a file that holds it or somebody to ask, got neither`,
    {
      hint: "name a file that holds nothing else, with permissions 0600",
    },
  );
}

/**
 * Reads the one line of a file that holds a passphrase or PIN.
 * @param what the file is called in errors
 * @throws CvmError `signer`
 */
export function readSecretFile(path: string, { directory, what }: { directory: string; what: string }): string {
  const file = readSmallFile(path, { directory, what, code: "signer" });
  requirePrivate(file, what);
  const secret = file.bytes.toString("utf8").replace(/\r?\n$/, "");
  if (secret === "" || secret.includes("\n")) {
    const got = secret === "" ? "none" : "several";
    throw ukiError("signer", `cannot use ${what} "${path}": expected one line, got ${got}`);
  }
  return secret;
}
