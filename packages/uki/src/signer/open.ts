import { readKeyFile } from "./key-file.ts";
import { keySigner } from "./key-signer.ts";
import type { SignerOptions } from "./options.ts";
import type { Signer } from "./signer.ts";

/**
 * Opens whoever holds a private key.
 * @param reference path of a key file
 * @returns a signer, to be disposed of
 * @throws CvmError `signer`
 */
export async function openSigner(reference: string, options: SignerOptions): Promise<Signer> {
  return keySigner(await readKeyFile(reference, options), reference);
}
