import { FormatError } from "@cvm-build/bytes";

/** Universal tags that a certificate's name is made of, with the constructed bit where DER sets it. */
export const DerTag = {
  integer: 0x02,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  t61String: 0x14,
  ia5String: 0x16,
  visibleString: 0x1a,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
  /** `[0] EXPLICIT`, a certificate's version. */
  context0: 0xa0,
} as const;

/** One value: tag, length, contents. */
export interface DerValue {
  tag: number;
  contents: Buffer;
  /** The whole of it, with tag and length. */
  encoded: Buffer;
}

/**
 * Reads the value at the start of `bytes`.
 * @throws FormatError where its length is indefinite, not minimal in size, or beyond the bytes
 * @see X.690, 8.1 and 10.1
 */
export function readDer(bytes: Buffer): DerValue {
  const [tag, first] = bytes;
  if (tag === undefined || first === undefined) return fail("expected a tag and a length");
  if ((tag & 0x1f) === 0x1f) return fail("expected a tag of one byte");
  const lengthSize = first & 0x80 ? first & 0x7f : 0;
  if (first === 0x80 || lengthSize > 4 || bytes.length < 2 + lengthSize)
    return fail("expected a length of at most 4 bytes");
  const length = lengthSize === 0 ? first : bytes.readUIntBE(2, lengthSize);
  const start = 2 + lengthSize;
  if (length > bytes.length - start) return fail(`expected ${length} bytes, got ${bytes.length - start}`);
  return { tag, contents: bytes.subarray(start, start + length), encoded: bytes.subarray(0, start + length) };
}

/**
 * Reads the values that `bytes` consist of.
 * @throws FormatError where one of them is malformed
 */
export function readDerList(bytes: Buffer): DerValue[] {
  const values: DerValue[] = [];
  for (let at = 0; at < bytes.length;) {
    const value = readDer(bytes.subarray(at));
    values.push(value);
    at += value.encoded.length;
  }
  return values;
}

/**
 * The contents of a value of that tag.
 * @throws FormatError where there is none or its tag is another
 */
export function expectDer(value: DerValue | undefined, tag: number, field: string): Buffer {
  if (value?.tag === tag) return value.contents;
  const got = value ? `0x${value.tag.toString(16)}` : "nothing";
  throw new FormatError({ record: "Certificate", field }, `expected tag 0x${tag.toString(16)}, got ${got}`);
}

/** Encodes a value with a length in the shortest form. */
export function encodeDer(tag: number, contents: Buffer): Buffer {
  const { length } = contents;
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), contents]);
  const digits = Buffer.from(length.toString(16).padStart(8, "0"), "hex");
  const shortest = digits.subarray(digits.findIndex((byte) => byte !== 0));
  return Buffer.concat([Buffer.of(tag, 0x80 | shortest.length), shortest, contents]);
}

function fail(expectation: string): never {
  throw new FormatError({ record: "DER" }, expectation);
}
