import { DerTag, type DerValue } from "@cvm-build/bytes";
import { DerFields, readDerWhole } from "../asn1/reader.ts";
import { constructedTag } from "../asn1/writer.ts";

/** Fields of a certificate that Node's `X509Certificate` does not give as they are encoded. */
export interface CertificateFields {
  /** `Name`, DER. */
  issuer: Buffer;
  /** `Name`, DER. */
  subject: Buffer;
  /** `INTEGER`, DER. */
  serialNumber: Buffer;
  /** The `Extension`s, DER. */
  extensions: DerValue[];
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
  tbs.take(DerTag.sequence, "signature");
  const issuer = tbs.take(DerTag.sequence, "issuer").encoded;
  tbs.take(DerTag.sequence, "validity");
  const subject = tbs.take(DerTag.sequence, "subject").encoded;
  tbs.take(DerTag.sequence, "subjectPublicKeyInfo");
  for (const tag of [0x81, 0xa1, 0x82, 0xa2]) tbs.takeIf(tag);
  const explicit = tbs.takeIf(constructedTag(3));
  tbs.end();
  const extensions = explicit
    ? new DerFields(
        new DerFields(explicit, constructedTag(3), "Extensions").takeAny("extensions"),
        DerTag.sequence,
        "Extensions",
      ).takeRest()
    : [];
  return { issuer, subject, serialNumber, extensions };
}
