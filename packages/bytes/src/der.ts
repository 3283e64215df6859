import { FormatError, type FormatErrorPlace } from "./errors.ts";

/** Universal tags, with the constructed bit where DER sets it. @see X.680, 8.4 */
export const DerTag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  t61String: 0x14,
  ia5String: 0x16,
  generalizedTime: 0x18,
  visibleString: 0x1a,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const;

/** One value: tag, length, contents. */
export interface DerValue {
  tag: number;
  contents: Buffer;
  /** The whole of it, with tag and length. */
  encoded: Buffer;
}

/** Values that one list may have: certificates and signatures have a few dozen, hostile bytes as many as fit. */
const MAX_LIST_VALUES = 4096;

/**
 * Reads the value at the start of `bytes`; what follows it is the caller's.
 * @throws FormatError where its tag has several bytes, or its length is indefinite, not the shortest, or beyond the bytes
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
  if (lengthSize > 0 && (length < 0x80 || bytes[2] === 0)) return fail("expected a length in its shortest form");
  return { tag, contents: bytes.subarray(start, start + length), encoded: bytes.subarray(0, start + length) };
}

/**
 * Reads the values that `bytes` consist of.
 * @throws FormatError where one of them is malformed, or there are more than 4096
 */
export function readDerList(bytes: Buffer): DerValue[] {
  const values: DerValue[] = [];
  for (let at = 0; at < bytes.length;) {
    if (values.length === MAX_LIST_VALUES) return fail(`expected at most ${MAX_LIST_VALUES} values`);
    const value = readDer(bytes.subarray(at));
    values.push(value);
    at += value.encoded.length;
  }
  return values;
}

/**
 * The contents of a value of that tag.
 * @throws FormatError naming `place` where there is none or its tag is another
 */
export function expectDer(value: DerValue | undefined, tag: number, place: FormatErrorPlace): Buffer {
  if (value?.tag === tag) return value.contents;
  const got = value ? `0x${value.tag.toString(16)}` : "nothing";
  throw new FormatError(place, `expected tag 0x${tag.toString(16)}, got ${got}`);
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
