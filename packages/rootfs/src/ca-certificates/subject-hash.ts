import {
  type DerValue,
  DerTag,
  digest,
  encodeDer,
  expectDer,
  FormatError,
  readDer,
  readDerList,
} from "@cvm-build/bytes";

/** `[0] EXPLICIT`, a certificate's version. */
const VERSION_TAG = 0xa0;

/**
 * The hash under which OpenSSL looks a certificate up in a directory: the first four bytes of the SHA-1 of its canonical
 * subject, as a little-endian number.
 * @returns eight lower-case hexadecimal digits
 * @throws FormatError where `certificate` is no DER certificate
 * @see OpenSSL 3, X509_NAME_hash_ex(3)
 */
export function subjectHash(certificate: Buffer): string {
  const hash = digest("sha1", canonicalName(readSubject(certificate)));
  return hash.readUInt32LE(0).toString(16).padStart(8, "0");
}

/** The subject's relative distinguished names. @see RFC 5280, 4.1 */
function readSubject(certificate: Buffer): DerValue[] {
  const [tbs] = readDerList(expectField(readDer(certificate), DerTag.sequence, "certificate"));
  const fields = readDerList(expectField(tbs, DerTag.sequence, "tbsCertificate"));
  const afterVersion = fields[0]?.tag === VERSION_TAG ? fields.slice(1) : fields;
  const [serialNumber, signature, issuer, validity, subject] = afterVersion;
  expectField(serialNumber, DerTag.integer, "serialNumber");
  expectField(signature, DerTag.sequence, "signature");
  expectField(issuer, DerTag.sequence, "issuer");
  expectField(validity, DerTag.sequence, "validity");
  return readDerList(expectField(subject, DerTag.sequence, "subject"));
}

function expectField(value: DerValue | undefined, tag: number, field: string): Buffer {
  return expectDer(value, tag, { record: "Certificate", field });
}

/** Names as OpenSSL compares them: text as UTF-8, lower case, white space collapsed; sets without a sequence around them. */
function canonicalName(names: readonly DerValue[]): Buffer {
  return Buffer.concat(
    names.map((name) => {
      const attributes = readDerList(expectField(name, DerTag.set, "subject")).map(canonicalAttribute);
      return encodeDer(DerTag.set, Buffer.concat(attributes.sort(Buffer.compare)));
    }),
  );
}

function canonicalAttribute(attribute: DerValue): Buffer {
  const [type, value] = readDerList(expectField(attribute, DerTag.sequence, "subject"));
  expectField(type, DerTag.objectIdentifier, "subject");
  if (!type || !value)
    throw new FormatError({ record: "Certificate", field: "subject" }, "expected a type and a value");
  const text = decodeText(value);
  const canonical = text === undefined ? value.encoded : encodeDer(DerTag.utf8String, canonicalText(text));
  return encodeDer(DerTag.sequence, Buffer.concat([type.encoded, canonical]));
}

/** Only ASCII is folded: OpenSSL leaves every other byte as it is. */
function canonicalText(text: string): Buffer {
  const collapsed = text.replace(/^[\t-\r ]+|[\t-\r ]+$/g, "").replace(/[\t-\r ]+/g, " ");
  return Buffer.from(collapsed.replace(/[A-Z]/g, (letter) => letter.toLowerCase()));
}

/** The text of a string type, or undefined where the value is of a type that is hashed as it stands. */
function decodeText({ tag, contents }: DerValue): string | undefined {
  switch (tag) {
    case DerTag.utf8String:
      return contents.toString("utf8");
    case DerTag.printableString:
    case DerTag.ia5String:
    case DerTag.visibleString:
    case DerTag.t61String:
      return contents.toString("latin1");
    case DerTag.bmpString:
      return decodeWide(contents, 2);
    case DerTag.universalString:
      return decodeWide(contents, 4);
    default:
      return undefined;
  }
}

function decodeWide(contents: Buffer, size: 2 | 4): string {
  const units = Array.from({ length: contents.length / size }, (_, index) => contents.readUIntBE(index * size, size));
  if (contents.length % size !== 0 || units.some((unit) => unit > 0x10ffff)) {
    throw new FormatError({ record: "Certificate", field: "subject" }, `expected characters of ${size} bytes`);
  }
  return units.map((unit) => String.fromCodePoint(unit)).join("");
}
