import {
  type DerValue,
  DerTag,
  expectDer,
  FormatError,
  type FormatErrorPlace,
  readDer,
  readDerList,
} from "@cvm-build/bytes";

/** Bytes of an object identifier that is worth a name; the longest in use have about 20. */
const MAX_OID_BYTES = 64;

/**
 * The fields of one constructed value, taken in their order. What is nested is read only where somebody asks for it, so
 * that depth is the depth of the format and not that of the bytes.
 */
export class DerFields {
  readonly #record: string;
  readonly #values: DerValue[];
  #next = 0;

  /**
   * @param record as its specification names it, for errors
   * @throws FormatError where `value` is absent, of another tag, or its contents are malformed
   */
  constructor(value: DerValue | undefined, tag: number, record: string) {
    this.#record = record;
    this.#values = readDerList(expectDer(value, tag, { record }));
  }

  /** The next field, which must have `tag`. @throws FormatError where it does not */
  take(tag: number, field: string): DerValue {
    const value = this.#values[this.#next++];
    expectDer(value, tag, this.place(field));
    return value as DerValue;
  }

  /** The next field if it has `tag`. */
  takeIf(tag: number): DerValue | undefined {
    return this.#values[this.#next]?.tag === tag ? this.#values[this.#next++] : undefined;
  }

  /** The next field, of whatever tag. @throws FormatError where there is none */
  takeAny(field: string): DerValue {
    const value = this.#values[this.#next++];
    if (!value) throw new FormatError(this.place(field), "expected a value, got nothing");
    return value;
  }

  /** All fields that are left. */
  takeRest(): DerValue[] {
    const rest = this.#values.slice(this.#next);
    this.#next = this.#values.length;
    return rest;
  }

  /** Ends the reading. @throws FormatError where fields are left */
  end(): void {
    const left = this.#values[this.#next];
    if (left) throw new FormatError(this.place(), `expected its end, got tag 0x${left.tag.toString(16)}`);
  }

  /** Where an error in a field is. */
  place(field?: string): FormatErrorPlace {
    return field === undefined ? { record: this.#record } : { record: this.#record, field };
  }
}

/**
 * Reads bytes that are one value and nothing else.
 * @throws FormatError
 */
export function readDerWhole(bytes: Buffer, record: string): DerValue {
  const value = readDer(bytes);
  const left = bytes.length - value.encoded.length;
  if (left > 0) throw new FormatError({ record }, `expected one value, got ${left} bytes after it`);
  return value;
}

/**
 * Decodes the contents of an `OBJECT IDENTIFIER`.
 * @returns dotted decimal numbers
 * @throws FormatError where it is empty, cut, padded, or has numbers beyond 2^53
 * @see X.690, 8.19
 */
export function decodeObjectIdentifier(contents: Buffer, place: FormatErrorPlace): string {
  if (contents.length === 0 || contents.length > MAX_OID_BYTES || ((contents.at(-1) ?? 0) & 0x80) !== 0) {
    throw new FormatError(place, `expected an object identifier of 1..${MAX_OID_BYTES} bytes`);
  }
  const arcs: number[] = [];
  let arc = 0;
  for (const byte of contents) {
    if ((arc === 0 && byte === 0x80) || arc >= 2 ** 46) throw new FormatError(place, "expected an object identifier");
    arc = arc * 128 + (byte & 0x7f);
    if (byte & 0x80) continue;
    arcs.push(arc);
    arc = 0;
  }
  const [first = 0, ...rest] = arcs;
  const root = Math.min(Math.floor(first / 40), 2);
  return [root, first - 40 * root, ...rest].join(".");
}

/**
 * Decodes an `INTEGER` of one byte that is not negative: a version, a status.
 * @throws FormatError where it is anything else
 */
export function decodeSmallInteger(value: DerValue, place: FormatErrorPlace): number {
  const [byte] = expectDer(value, DerTag.integer, place);
  if (value.contents.length === 1 && byte !== undefined && byte < 0x80) return byte;
  throw new FormatError(place, `expected an integer 0..127, got 0x${value.contents.toString("hex", 0, 16)}`);
}
