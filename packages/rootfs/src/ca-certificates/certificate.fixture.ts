import { DerTag, encodeDer } from "@cvm-build/bytes";

/** One attribute of a name; a UTF8String unless `tag` says otherwise. */
export interface NameAttribute {
  type: "C" | "O" | "OU" | "CN";
  text: string;
  tag?: number;
}

/** Last arc of id-at, 2.5.4. @see RFC 5280, A.1 */
const ATTRIBUTE_TYPES = { C: 6, O: 10, OU: 11, CN: 3 } as const;

/** `[0] EXPLICIT`. */
const VERSION_TAG = 0xa0;

/** A certificate that has a subject and otherwise only the shape of one. */
export function makeCertificate(subject: readonly NameAttribute[][], { version = true } = {}): Buffer {
  const sequence = (...parts: Buffer[]): Buffer => encodeDer(DerTag.sequence, Buffer.concat(parts));
  const names = subject.map((set) =>
    encodeDer(DerTag.set, Buffer.concat(set.map((attribute) => encodeAttribute(attribute)))),
  );
  const tbs = sequence(
    ...(version ? [encodeDer(VERSION_TAG, encodeDer(DerTag.integer, Buffer.of(2)))] : []),
    encodeDer(DerTag.integer, Buffer.of(1)),
    sequence(),
    sequence(),
    sequence(),
    sequence(...names),
  );
  return sequence(tbs, sequence(), encodeDer(0x03, Buffer.of(0)));
}

/** A certificate as PEM. */
export function makePem(certificate: Buffer): string {
  const lines = certificate.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

function encodeAttribute({ type, text, tag = DerTag.utf8String }: NameAttribute): Buffer {
  const oid = encodeDer(DerTag.objectIdentifier, Buffer.of(0x55, 0x04, ATTRIBUTE_TYPES[type]));
  return encodeDer(DerTag.sequence, Buffer.concat([oid, encodeDer(tag, encodeText(text, tag))]));
}

function encodeText(text: string, tag: number): Buffer {
  if (tag === DerTag.bmpString) return Buffer.from(text, "utf16le").swap16();
  if (tag === DerTag.universalString) {
    return Buffer.concat([...text].map((character) => Buffer.of(0, 0, 0, character.charCodeAt(0))));
  }
  return Buffer.from(text);
}
