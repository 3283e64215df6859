import { openCommandKey } from "./command.ts";
import { type ExternalKey, externalSigner } from "./external.ts";
import { readKeyFile } from "./key-file.ts";
import { keySigner } from "./key-signer.ts";
import { openPkcs11Key } from "./pkcs11/key.ts";
import type { SignerOptions } from "./options.ts";
import { openPluginKey } from "./plugin.ts";
import type { Signer } from "./signer.ts";

/** Who opens a reference with a scheme. */
const SCHEMES: ReadonlyMap<string, (reference: string, options: SignerOptions) => Promise<ExternalKey>> = new Map([
  ["command", openCommandKey],
  ["pkcs11", openPkcs11Key],
  ["awskms", (reference, options) => openPluginKey("@cvm-build/signer-aws", { reference, options })],
  ["gcpkms", (reference, options) => openPluginKey("@cvm-build/signer-gcp", { reference, options })],
  ["azurekms", (reference, options) => openPluginKey("@cvm-build/signer-azure", { reference, options })],
]);
/** A scheme is of lower case letters and longer than one, so that no path that people write begins with one. */
const SCHEME = /^([a-z][a-z0-9]+):/;

/**
 * Opens whoever holds a private key.
 * @param reference path of a key file, `command:PROGRAM ARGUMENT...`, a PKCS#11 URI, or a key of a cloud service
 * @returns a signer, to be disposed of
 * @throws CvmError `signer`
 */
export async function openSigner(reference: string, options: SignerOptions): Promise<Signer> {
  const [, scheme = ""] = SCHEME.exec(reference) ?? [];
  const open = SCHEMES.get(scheme);
  if (open) return externalSigner(await open(reference, options), reference);
  return keySigner(await readKeyFile(reference, options), reference);
}
