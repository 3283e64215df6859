import { canonicalJson } from "@cvm-build/bytes";
import { PROGRAM_VERSION } from "../../program.ts";
import type { BillOfMaterials, Component } from "./bill-of-materials.ts";

const IMAGE = "SPDXRef-Image";
const NO_TEXT = "The copyright file names this licence and holds no text of it.";

/**
 * A bill of materials as an SPDX document.
 * @see SPDX Specification 2.3; its JSON schema `spdx-schema.json` of v2.3
 */
export function encodeSpdx(bill: BillOfMaterials): string {
  const { image, created, uuid, components, extracted } = bill;
  return canonicalJson({
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name: `${image.id}-${image.version}`,
    documentNamespace: `urn:uuid:${uuid}`,
    creationInfo: { created, creators: [`Tool: cvm-build-${PROGRAM_VERSION}`] },
    packages: [imagePackage(bill), ...components.map(packageOf)],
    relationships: [
      { spdxElementId: "SPDXRef-DOCUMENT", relationshipType: "DESCRIBES", relatedSpdxElement: IMAGE },
      ...components.map((component) =>
        component.isInImage
          ? { spdxElementId: IMAGE, relationshipType: "CONTAINS", relatedSpdxElement: idOf(component) }
          : { spdxElementId: idOf(component), relationshipType: "BUILD_DEPENDENCY_OF", relatedSpdxElement: IMAGE },
      ),
    ],
    ...(extracted.length > 0 && {
      hasExtractedLicensingInfos: extracted.map(({ id, name, text }) => ({
        licenseId: id,
        name,
        extractedText: text || NO_TEXT,
      })),
    }),
  });
}

function imagePackage({ image, created }: BillOfMaterials) {
  return {
    ...NOTHING_CONCLUDED,
    SPDXID: IMAGE,
    name: image.id,
    versionInfo: image.version,
    packageFileName: image.file,
    primaryPackagePurpose: "OPERATING_SYSTEM",
    downloadLocation: "NOASSERTION",
    licenseDeclared: "NOASSERTION",
    builtDate: created,
    checksums: [{ algorithm: "SHA256", checksumValue: image.sha256 }],
  };
}

function packageOf(component: Component) {
  const { name, version, purl, sha256, supplier, downloadLocation, source, license } = component;
  return {
    ...NOTHING_CONCLUDED,
    SPDXID: idOf(component),
    name,
    versionInfo: version,
    supplier: supplier === undefined ? "NOASSERTION" : `Organization: ${supplier}`,
    downloadLocation: downloadLocation ?? "NOASSERTION",
    ...(source !== undefined && { sourceInfo: `built from the source package ${source}` }),
    licenseDeclared: license.expression ?? "NOASSERTION",
    ...(license.expression !== undefined && {
      licenseComments: "every licence that the package's copyright file names for a part of its source",
    }),
    checksums: [{ algorithm: "SHA256", checksumValue: sha256 }],
    externalRefs: [{ referenceCategory: "PACKAGE-MANAGER", referenceType: "purl", referenceLocator: purl }],
  };
}

/** What is left to whoever reads the texts. */
const NOTHING_CONCLUDED = { filesAnalyzed: false, licenseConcluded: "NOASSERTION", copyrightText: "NOASSERTION" };

function idOf({ name, sha256 }: Component): string {
  return `SPDXRef-${name.replaceAll(/[^A-Za-z0-9.-]/g, "-")}-${sha256.slice(0, 16)}`;
}
