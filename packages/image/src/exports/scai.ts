import { canonicalJson, compactCanonicalJson, sha256Hex } from "@cvm-build/bytes";
import { signDsse } from "../release/dsse.ts";
import { IN_TOTO, STATEMENT_TYPE } from "../release/provenance.ts";
import type { EncodeExport, PinnedPlatform } from "./reference-values.ts";
import { imageFile } from "./image-names.ts";

/** @see in-toto Attestation Framework, "Software Supply Chain Attribute Integrity", 0.3 */
const SCAI_TYPE = "https://in-toto.io/attestation/scai/v0.3";
/** What is said of an image: the registers of its evidence will be these. Explained in docs/exports.md. */
const ATTRIBUTE = "urn:cvm-build:predicted-registers:1";

/**
 * Writes an in-toto statement that says, for each platform, which registers evidence of the image will show; inside a DSSE
 * envelope where there is a key. The evidence is `measurements.json`, which has the events.
 */
export const encodeScai: EncodeExport = async ({ measurements, platforms }, { producer, signer }) => {
  const { image } = measurements;
  const evidence = {
    name: "measurements.json",
    mediaType: "application/json",
    digest: { sha256: sha256Hex(canonicalJson(measurements)) },
  };
  const statement = {
    _type: STATEMENT_TYPE,
    subject: [{ name: imageFile(image), digest: { sha256: image.sha256 } }],
    predicateType: SCAI_TYPE,
    predicate: {
      attributes: platforms.map((platform) => ({ attribute: ATTRIBUTE, conditions: conditionsOf(platform), evidence })),
      ...(producer?.uri !== undefined && { producer: { name: producer.name, uri: producer.uri } }),
    },
  };
  if (!signer) return [{ fileName: `${image.id}.scai.json`, bytes: Buffer.from(canonicalJson(statement)) }];
  const bytes = Buffer.from(`${compactCanonicalJson(statement)}\n`);
  const envelope = await signDsse({ type: IN_TOTO, bytes }, signer);
  return [{ fileName: `${image.id}.scai.dsse.json`, bytes: Buffer.from(envelope) }];
};

/** Each register with its legal values, any of which may be shown. */
function conditionsOf({ name, registers }: PinnedPlatform) {
  return {
    platform: name,
    registers: Object.fromEntries(registers.map((register) => [register.name, register.values])),
  };
}
