import { X509Certificate } from "node:crypto";
import { DerTag, type DerValue, encodeDer, FormatError } from "@cvm-build/bytes";
import { decodeObjectIdentifier, decodeSmallInteger, DerFields, readDerWhole } from "../asn1/reader.ts";
import { constructedTag } from "../asn1/writer.ts";
import { readAlgorithm, readCertificateFields } from "./certificate.ts";
import { MAX_CERTIFICATES, MAX_SIGNED_DATA_BYTES, MAX_SIGNERS, OID } from "./format.ts";

/** A signature with what it is over, decoded and not yet verified. */
export interface SignedData {
  version: number;
  /** Object identifiers of the digests that signers use. */
  digestAlgorithms: string[];
  /** Object identifier of what is signed. */
  contentType: string;
  /** What is signed; absent where it is elsewhere. */
  content?: DerValue;
  /** In the order in which they stand. */
  certificates: X509Certificate[];
  signers: SignerInfo[];
}

/** One signer's part. */
export interface SignerInfo {
  /** `Name` of whoever issued the signer's certificate, DER. */
  issuer: Buffer;
  /** `INTEGER`, DER. */
  serialNumber: Buffer;
  /** Object identifiers. */
  digestAlgorithm: string;
  signatureAlgorithm: string;
  /** Absent where the content itself is signed. */
  signedAttributes?: SignedAttributes;
  unsignedAttributes: Attributes;
  signature: Buffer;
}

/** Values by object identifier. */
export type Attributes = ReadonlyMap<string, readonly DerValue[]>;

/** Attributes with the bytes that the signature covers. */
export interface SignedAttributes {
  values: Attributes;
  /** As a `SET`, in the order in which they stand. */
  encoded: Buffer;
}

/**
 * Reads a `SignedData`, bare or in a `ContentInfo`.
 * @throws FormatError where it is not DER, has more than 32 certificates or 16 signers, or names a signer otherwise than
 * by issuer and serial number
 * @see RFC 5652, 3 and 5
 */
export function readSignedData(bytes: Buffer): SignedData {
  if (bytes.length > MAX_SIGNED_DATA_BYTES) {
    const expectation = `expected at most ${MAX_SIGNED_DATA_BYTES} bytes, got ${bytes.length}`;
    throw new FormatError({ record: "SignedData" }, expectation);
  }
  const fields = new DerFields(unwrap(readDerWhole(bytes, "SignedData")), DerTag.sequence, "SignedData");
  const version = decodeSmallInteger(fields.take(DerTag.integer, "version"), fields.place("version"));
  const digests = new DerFields(fields.take(DerTag.set, "digestAlgorithms"), DerTag.set, "DigestAlgorithms").takeRest();
  const encapsulated = readEncapsulated(fields.take(DerTag.sequence, "encapContentInfo"));
  const certificates = fields.takeIf(constructedTag(0));
  fields.takeIf(constructedTag(1));
  const signers = new DerFields(fields.take(DerTag.set, "signerInfos"), DerTag.set, "SignerInfos").takeRest();
  fields.end();
  atMost(digests, MAX_SIGNERS, "digestAlgorithms");
  atMost(signers, MAX_SIGNERS, "signerInfos");
  return {
    version,
    digestAlgorithms: digests.map(readAlgorithm),
    ...encapsulated,
    certificates: certificates ? readCertificateSet(certificates) : [],
    signers: signers.map(readSignerInfo),
  };
}

/** The `SignedData` itself. @see RFC 5652, 3 */
function unwrap(value: DerValue): DerValue {
  const fields = new DerFields(value, DerTag.sequence, "ContentInfo");
  const type = fields.takeIf(DerTag.objectIdentifier);
  if (!type) return value;
  const name = decodeObjectIdentifier(type.contents, fields.place("contentType"));
  if (name !== OID.signedData) {
    throw new FormatError(fields.place("contentType"), `expected ${OID.signedData} (signedData), got ${name}`);
  }
  const content = fields.take(constructedTag(0), "content");
  fields.end();
  return readDerWhole(content.contents, "ContentInfo");
}

function readEncapsulated(value: DerValue): Pick<SignedData, "contentType" | "content"> {
  const fields = new DerFields(value, DerTag.sequence, "EncapsulatedContentInfo");
  const type = fields.take(DerTag.objectIdentifier, "eContentType").contents;
  const contentType = decodeObjectIdentifier(type, fields.place("eContentType"));
  const explicit = fields.takeIf(constructedTag(0));
  fields.end();
  return explicit ? { contentType, content: readDerWhole(explicit.contents, "eContent") } : { contentType };
}

function readCertificateSet(value: DerValue): X509Certificate[] {
  const values = new DerFields(value, constructedTag(0), "CertificateSet").takeRest();
  atMost(values, MAX_CERTIFICATES, "certificates");
  return values.map(({ encoded }) => {
    readCertificateFields(encoded);
    try {
      return new X509Certificate(encoded);
    } catch (cause) {
      throw new FormatError({ record: "Certificate" }, "expected a certificate that OpenSSL reads", { cause });
    }
  });
}

/** @see RFC 5652, 5.3 */
function readSignerInfo(value: DerValue): SignerInfo {
  const fields = new DerFields(value, DerTag.sequence, "SignerInfo");
  decodeSmallInteger(fields.take(DerTag.integer, "version"), fields.place("version"));
  const sid = new DerFields(fields.take(DerTag.sequence, "sid"), DerTag.sequence, "IssuerAndSerialNumber");
  const issuer = sid.take(DerTag.sequence, "issuer").encoded;
  const serialNumber = sid.take(DerTag.integer, "serialNumber").encoded;
  sid.end();
  const digestAlgorithm = readAlgorithm(fields.take(DerTag.sequence, "digestAlgorithm"));
  const signed = fields.takeIf(constructedTag(0));
  const signatureAlgorithm = readAlgorithm(fields.take(DerTag.sequence, "signatureAlgorithm"));
  const signature = fields.take(DerTag.octetString, "signature").contents;
  const unsigned = fields.takeIf(constructedTag(1));
  fields.end();
  return {
    issuer,
    serialNumber,
    digestAlgorithm,
    signatureAlgorithm,
    ...(signed && {
      signedAttributes: { values: readAttributes(signed, 0), encoded: encodeDer(DerTag.set, signed.contents) },
    }),
    unsignedAttributes: unsigned ? readAttributes(unsigned, 1) : new Map(),
    signature,
  };
}

function readAttributes(value: DerValue, number: number): Attributes {
  const attributes = new Map<string, DerValue[]>();
  for (const attribute of new DerFields(value, constructedTag(number), "Attributes").takeRest()) {
    const fields = new DerFields(attribute, DerTag.sequence, "Attribute");
    const oid = fields.take(DerTag.objectIdentifier, "attrType").contents;
    const type = decodeObjectIdentifier(oid, fields.place("attrType"));
    const values = new DerFields(fields.take(DerTag.set, "attrValues"), DerTag.set, "AttributeValues").takeRest();
    fields.end();
    if (attributes.has(type)) throw new FormatError(fields.place("attrType"), `expected ${type} once, got it twice`);
    attributes.set(type, values);
  }
  return attributes;
}

function atMost(values: readonly unknown[], most: number, field: string): void {
  if (values.length <= most) return;
  throw new FormatError({ record: "SignedData", field }, `expected at most ${most}, got ${values.length}`);
}
