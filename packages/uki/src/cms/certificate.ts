import { DerTag, type DerValue, FormatError } from "@cvm-build/bytes";
import { decodeObjectIdentifier, decodeSmallInteger, DerFields, readDerWhole } from "../asn1/reader.ts";
import { constructedTag, primitiveTag } from "../asn1/writer.ts";
import { OID } from "./format.ts";

/** Fields of a certificate that Node's `X509Certificate` does not give, or not as they are encoded. */
export interface CertificateFields {
  /** `Name`, DER. */
  issuer: Buffer;
  /** `Name`, DER. */
  subject: Buffer;
  /** `INTEGER`, DER. */
  serialNumber: Buffer;
  /** Object identifier of the algorithm that the certificate itself is signed with. */
  signatureAlgorithm: string;
  /** How many authorities may stand between this one and the last certificate; absent where any number. */
  pathLength?: number;
  /** Object identifiers of its extensions that must be understood. */
  criticalExtensions: string[];
}

/**
 * Reads a certificate's fields.
 * @param certificate DER
 * @throws FormatError
 * @see RFC 5280, 4.1
 */
export function readCertificateFields(certificate: Buffer): CertificateFields {
  const outer = new DerFields(readDerWhole(certificate, "Certificate"), DerTag.sequence, "Certificate");
  const tbs = new DerFields(outer.take(DerTag.sequence, "tbsCertificate"), DerTag.sequence, "TBSCertificate");
  tbs.takeIf(constructedTag(0));
  const serialNumber = tbs.take(DerTag.integer, "serialNumber").encoded;
  const signatureAlgorithm = readAlgorithm(tbs.take(DerTag.sequence, "signature"));
  const issuer = tbs.take(DerTag.sequence, "issuer").encoded;
  tbs.take(DerTag.sequence, "validity");
  const subject = tbs.take(DerTag.sequence, "subject").encoded;
  tbs.take(DerTag.sequence, "subjectPublicKeyInfo");
  for (const uniqueId of [1, 2]) tbs.takeIf(primitiveTag(uniqueId));
  const extensions = readExtensions(tbs.takeIf(constructedTag(3)));
  tbs.end();
  const criticalExtensions = extensions.filter(({ isCritical }) => isCritical).map(({ type }) => type);
  const constraints = extensions.find(({ type }) => type === OID.basicConstraints);
  const pathLength = constraints && readPathLength(constraints.value);
  const fields = { issuer, subject, serialNumber, signatureAlgorithm, criticalExtensions };
  return pathLength === undefined ? fields : { ...fields, pathLength };
}

/**
 * Reads an `AlgorithmIdentifier`, whose parameters say nothing that its users do not know.
 * @returns object identifier
 * @throws FormatError
 * @see RFC 5280, 4.1.1.2
 */
export function readAlgorithm(value: DerValue | undefined): string {
  const fields = new DerFields(value, DerTag.sequence, "AlgorithmIdentifier");
  const oid = fields.take(DerTag.objectIdentifier, "algorithm").contents;
  const [parameters, ...more] = fields.takeRest();
  if (more.length > 0 || (parameters?.tag === DerTag.null && parameters.contents.length > 0)) {
    throw new FormatError(fields.place("parameters"), "expected one value, and NULL without contents");
  }
  return decodeObjectIdentifier(oid, fields.place("algorithm"));
}

interface Extension {
  type: string;
  isCritical: boolean;
  value: Buffer;
}

function readExtensions(explicit: DerValue | undefined): Extension[] {
  if (!explicit) return [];
  const extensions = new DerFields(explicit, constructedTag(3), "TBSCertificate").take(DerTag.sequence, "extensions");
  return new DerFields(extensions, DerTag.sequence, "Extensions").takeRest().map((extension) => {
    const fields = new DerFields(extension, DerTag.sequence, "Extension");
    const oid = fields.take(DerTag.objectIdentifier, "extnID").contents;
    const critical = fields.takeIf(DerTag.boolean);
    const value = fields.take(DerTag.octetString, "extnValue").contents;
    return {
      type: decodeObjectIdentifier(oid, fields.place("extnID")),
      isCritical: (critical?.contents[0] ?? 0) !== 0,
      value,
    };
  });
}

function readPathLength(basicConstraints: Buffer): number | undefined {
  const fields = new DerFields(readDerWhole(basicConstraints, "BasicConstraints"), DerTag.sequence, "BasicConstraints");
  fields.takeIf(DerTag.boolean);
  const pathLength = fields.takeIf(DerTag.integer);
  return pathLength && decodeSmallInteger(pathLength, fields.place("pathLenConstraint"));
}
