import { openCommandKey } from "./command.ts";
import { type ExternalKey, externalSigner } from "./external.ts";
import { readKeyFile } from "./key-file.ts";
import { keySigner } from "./key-signer.ts";
import type { SignerOptions } from "./options.ts";
import type { Signer } from "./signer.ts";

/** Who opens what stands after a scheme. */
const SCHEMES: Readonly<Record<string, (rest: string, options: SignerOptions) => Promise<ExternalKey>>> = {
  command: openCommandKey,
};
/** A scheme is of lower case letters and longer than one, so that no path that people write begins with one. */
const SCHEME = /^([a-z][a-z0-9]+):(.*)$/s;

/**
 * Opens whoever holds a private key.
 * @param reference path of a key file, or `command:PROGRAM ARGUMENT...`
 * @returns a signer, to be disposed of
 * @throws CvmError `signer`
 */
export async function openSigner(reference: string, options: SignerOptions): Promise<Signer> {
  const [, scheme = "", rest = ""] = SCHEME.exec(reference) ?? [];
  const open = SCHEMES[scheme];
  if (open) return externalSigner(await open(rest, options), reference);
  return keySigner(await readKeyFile(reference, options), reference);
}
