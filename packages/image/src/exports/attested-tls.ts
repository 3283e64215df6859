import { canonicalJson } from "@cvm-build/bytes";
import { digestOf } from "./combinations.ts";
import type { EncodeExport, PinnedPlatform } from "./reference-values.ts";
import { imageTitle } from "./image-names.ts";

/**
 * Writes a list of measurements for Flashbots' attested TLS in Rust: registers by name, each with all its legal values.
 * @see flashbots/attested-tls, crates/attestation, `MeasurementPolicy::from_json_bytes`
 */
export const encodeAttestedTls: EncodeExport = ({ measurements: { image }, platforms }) => {
  const records = platforms.map((platform) => ({
    measurement_id: `${imageTitle(image)}-${platform.name}`,
    attestation_type: attestationType(platform),
    measurements: Object.fromEntries(
      platform.registers.map(({ name, values }) => [name, { expected_any: values.map(digestOf) }]),
    ),
  }));
  return [{ fileName: `${image.id}.attested-tls.json`, bytes: Buffer.from(canonicalJson(records)) }];
};

function attestationType({ traits: { cloud } }: PinnedPlatform): string {
  return cloud === "azure" ? "azure-tdx" : cloud === "gcp" ? "gcp-tdx" : "dcap-tdx";
}
