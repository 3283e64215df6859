import { canonicalJson } from "@cvm-build/bytes";
import { type CorimDigest, encodeCorimDocument } from "./corim-document.ts";
import type { EncodeExport } from "./reference-values.ts";
import { trusteeValues } from "./trustee-names.ts";

/**
 * Writes a message of type `corim`. Trustee reads no integrity registers: it makes a reference value
 * `<vendor>/<model>/<key>/digests` of each measurement, a list of hex in which algorithms are dropped.
 * @see confidential-containers/trustee, rvps/src/extractors/corim
 */
export const encodeTrusteeCorim: EncodeExport = async ({ measurements: { image }, platforms }, request) => {
  const measurements = [...trusteeValues(platforms)].map(([key, values]) => ({
    key,
    digests: values.map(digestOfHex),
  }));
  const triple = { className: `urn:cvm-build:image:${image.id}`, model: image.id, measurements };
  const corim = await encodeCorimDocument(image, [triple], request);
  const message = { version: "0.1.0", type: "corim", payload: corim.toString("base64") };
  return [{ fileName: `${image.id}.rvps-corim.json`, bytes: Buffer.from(canonicalJson(message)) }];
};

function digestOfHex(hex: string): CorimDigest {
  return { bank: hex.length === 64 ? "sha256" : "sha384", hex };
}
