import { ukiError } from "../error.ts";
import type { ExternalKey } from "./external.ts";
import type { SignerOptions } from "./options.ts";

/** What a package for the keys of a cloud service exports. */
export interface SignerPlugin {
  /** Opens the key that a reference names; `reference` is whole, with its scheme. */
  openKey(reference: string, options: SignerOptions): Promise<ExternalKey>;
}

/**
 * Opens a key through an optional package, which is loaded for this.
 * @param name the package's
 * @throws CvmError `signer` where it is not installed, or as it says
 */
export async function openPluginKey(
  name: string,
  { reference, options }: { reference: string; options: SignerOptions },
): Promise<ExternalKey> {
  let plugin: SignerPlugin;
  try {
    plugin = (await import(name)) as SignerPlugin;
  } catch (cause) {
    throw ukiError("signer", `cannot use key "${reference}": expected the optional package "${name}", got none`, {
      cause,
      hint: "pnpm install, without --no-optional, in the folder of cvm-build",
    });
  }
  return plugin.openKey(reference, options);
}
