import { canonicalJson } from "@cvm-build/bytes";
import type { RegisterName } from "@cvm-build/measure";
import { combinations, digestOf, indexOf } from "./combinations.ts";
import type { EncodeExport } from "./reference-values.ts";
import { imageTitle } from "./image-names.ts";

/**
 * Writes a list of measurements for Flashbots' proxy in Go: keys are numbers, each with one value, and all of a record must
 * be equal, so that legal values of one register become records of their own.
 * @see flashbots/cvm-reverse-proxy, multimeasurements
 */
export const encodeCvmReverseProxy: EncodeExport = ({ measurements: { image }, platforms }) => {
  const records = platforms.flatMap((platform) => {
    const id = `${imageTitle(image)}-${platform.name}`;
    const choices = combinations(platform);
    return choices.map((registers, index) => ({
      measurement_id: choices.length === 1 ? id : `${id}-${index + 1}`,
      attestation_type: platform.traits.cloud === "azure" ? "azure-tdx" : "dcap-tdx",
      measurements: Object.fromEntries(
        registers.map(({ name, value }) => [numericKey(name), { expected: digestOf(value) }]),
      ),
    }));
  });
  return [{ fileName: `${image.id}.cvm-reverse-proxy.json`, bytes: Buffer.from(canonicalJson(records)) }];
};

/** PCRs by index; of a TDX quote MRTD is 0 and RTMRs follow. */
function numericKey(name: RegisterName): number {
  if (name === "mrtd") return 0;
  return name.startsWith("rtmr") ? indexOf(name) + 1 : indexOf(name);
}
