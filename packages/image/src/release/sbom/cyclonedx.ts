import { canonicalJson } from "@cvm-build/bytes";
import { PROGRAM_VERSION } from "../../program.ts";
import type { BillOfMaterials, Component } from "./bill-of-materials.ts";

/**
 * A bill of materials as a CycloneDX document.
 * @see CycloneDX 1.6 (ECMA-424); its JSON schema `bom-1.6.schema.json`
 */
export function encodeCycloneDx({ image, created, uuid, components }: BillOfMaterials): string {
  const reference = `image:${image.id}`;
  return canonicalJson({
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${uuid}`,
    version: 1,
    metadata: {
      timestamp: created,
      tools: { components: [{ type: "application", name: "cvm-build", version: PROGRAM_VERSION }] },
      component: {
        type: "operating-system",
        "bom-ref": reference,
        name: image.id,
        version: image.version,
        hashes: [{ alg: "SHA-256", content: image.sha256 }],
      },
    },
    components: components.map(componentOf),
    dependencies: [
      { ref: reference, dependsOn: components.filter(({ isInImage }) => isInImage).map(({ purl }) => purl) },
    ],
  });
}

function componentOf({
  name,
  version,
  purl,
  sha256,
  supplier,
  downloadLocation,
  source,
  isInImage,
  license,
}: Component) {
  return {
    type: "library",
    "bom-ref": purl,
    name,
    version,
    purl,
    hashes: [{ alg: "SHA-256", content: sha256 }],
    scope: isInImage ? "required" : "excluded",
    ...(supplier !== undefined && { supplier: { name: supplier } }),
    ...(license.expression !== undefined && {
      licenses: [{ expression: license.expression, acknowledgement: "declared" }],
    }),
    ...(downloadLocation !== undefined && {
      externalReferences: [{ type: "distribution", url: downloadLocation }],
    }),
    ...(source !== undefined && { properties: [{ name: "cvm-build:source", value: source }] }),
  };
}
