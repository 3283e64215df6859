import { createPrivateKey, type KeyObject, type PrivateKeyInput } from "node:crypto";
import { ukiError } from "../error.ts";
import { pemBlocks } from "./pem.ts";
import { isPkcs12, openPkcs12 } from "./pkcs12.ts";
import { readSmallFile, requirePrivate } from "./private-file.ts";
import { obtainSecret } from "./secret.ts";
import type { SignerOptions } from "./options.ts";

const PEM_LABELS = new Set(["PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"]);
const DER_TYPES = ["pkcs8", "pkcs1", "sec1"] as const;

/** How OpenSSL's PEM and DER decoders say that a key is encrypted. */
const PASSPHRASE_WANTED = new Set(["ERR_MISSING_PASSPHRASE", "ERR_OSSL_CRYPTO_INTERRUPTED_OR_CANCELLED"]);

/**
 * Reads the private key of a file: PKCS#8 (plain or encrypted), PKCS#1 or SEC 1, in PEM or DER, or PKCS#12.
 * @param path relative to `options.directory`
 * @throws CvmError `signer`
 */
export async function readKeyFile(path: string, options: SignerOptions): Promise<KeyObject> {
  const file = readSmallFile(path, { directory: options.directory, what: "key", code: "signer" });
  requirePrivate(file, "key");
  if (isPkcs12(file.bytes))
    return onlyKey((await openPkcs12(file, options)).keys, { path, found: "certificates alone" });
  const blocks = pemBlocks(file.bytes);
  if (blocks.length === 0) {
    const inputs = DER_TYPES.map((type) => ({ key: file.bytes, format: "der", type }) as const);
    return decode(inputs, path, options);
  }
  const keys = blocks.filter(({ label }) => PEM_LABELS.has(label));
  const { text } = onlyKey(keys, { path, found: blocks.map(({ label }) => label).join(", ") });
  return decode([{ key: text, format: "pem" }], path, options);
}

/** Decodes a key in the first way that fits, with its passphrase where it turns out to be encrypted. */
async function decode(inputs: readonly PrivateKeyInput[], path: string, options: SignerOptions): Promise<KeyObject> {
  for (const input of inputs) {
    try {
      return createPrivateKey(input);
    } catch (cause) {
      if (PASSPHRASE_WANTED.has((cause as NodeJS.ErrnoException).code ?? "")) {
        const passphrase = await obtainSecret(`passphrase of key "${path}"`, options);
        return decrypt({ ...input, passphrase }, path);
      }
    }
  }
  throw ukiError("signer", `cannot open key "${path}": expected PKCS#8, PKCS#1, SEC 1 or PKCS#12, got something else`, {
    hint: "openssl pkey -in FILE -out KEY.pem writes PKCS#8; of an OpenSSH key: ssh-keygen -p -m PKCS8 -f KEY",
  });
}

function decrypt(input: PrivateKeyInput, path: string): KeyObject {
  try {
    return createPrivateKey(input);
  } catch (cause) {
    throw ukiError("signer", `cannot open key "${path}": expected its passphrase, got another one`, { cause });
  }
}

function onlyKey<T>(keys: readonly T[], { path, found }: { path: string; found: string }): T {
  const [key] = keys;
  if (key !== undefined && keys.length === 1) return key;
  const got = keys.length === 0 ? found : `${keys.length}`;
  throw ukiError("signer", `cannot open key "${path}": expected one private key, got ${got}`);
}
