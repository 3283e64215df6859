import { canonicalJson, compactCanonicalJson } from "@cvm-build/bytes";
import type { EncodeExport } from "./reference-values.ts";
import { trusteeValues } from "./trustee-names.ts";

/**
 * Writes a message of type `sample`. Its field is `payload`, whatever the README's chapter on the protocol calls it.
 * @see confidential-containers/trustee, rvps/src/lib.rs, `Message`
 */
export const encodeTrusteeRvps: EncodeExport = ({ measurements: { image }, platforms }) => {
  const values = compactCanonicalJson(Object.fromEntries(trusteeValues(platforms)));
  const message = { version: "0.1.0", type: "sample", payload: Buffer.from(values).toString("base64") };
  return [{ fileName: `${image.id}.rvps.json`, bytes: Buffer.from(canonicalJson(message)) }];
};
