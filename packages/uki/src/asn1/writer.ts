import { assert, DerTag, encodeDer } from "@cvm-build/bytes";

/** `SEQUENCE` of values that are encoded already. */
export function sequence(...values: readonly Buffer[]): Buffer {
  return encodeDer(DerTag.sequence, Buffer.concat(values));
}

/** `SET OF` values that are encoded already, in the order that DER prescribes. @see X.690, 11.6 */
export function setOf(...values: readonly Buffer[]): Buffer {
  return encodeDer(DerTag.set, Buffer.concat(values.toSorted(Buffer.compare)));
}

/** `[number] EXPLICIT`, or `[number] IMPLICIT` around the contents of a constructed value. */
export function constructed(number: number, ...contents: readonly Buffer[]): Buffer {
  return encodeDer(constructedTag(number), Buffer.concat(contents));
}

/** `[number] IMPLICIT` around the contents of a primitive value. */
export function primitive(number: number, contents: Buffer): Buffer {
  return encodeDer(primitiveTag(number), contents);
}

/** Tag of a constructed context-specific value. @see X.690, 8.1.2 */
export function constructedTag(number: number): number {
  return 0xa0 + number;
}

/** Tag of a primitive context-specific value. */
export function primitiveTag(number: number): number {
  return 0x80 + number;
}

/** `OBJECT IDENTIFIER` from dotted decimal numbers. @see X.690, 8.19 */
export function objectIdentifier(dotted: string): Buffer {
  const [first, second, ...rest] = dotted.split(".").map(Number);
  assert(first !== undefined && second !== undefined && rest.every(Number.isSafeInteger), `${dotted} is an OID`);
  return encodeDer(DerTag.objectIdentifier, Buffer.from([40 * first + second, ...rest].flatMap(encodeArc)));
}

/** `INTEGER` that is not negative: a small number, or big-endian bytes. @see X.690, 8.3 */
export function integer(value: number | Buffer): Buffer {
  const bytes = typeof value === "number" ? Buffer.from(evenHex(value), "hex") : value;
  const significant = bytes.subarray(
    Math.max(
      bytes.findIndex((byte) => byte !== 0),
      0,
    ),
  );
  const isNegative = ((significant[0] ?? 0) & 0x80) !== 0;
  const contents = isNegative || significant.length === 0 ? Buffer.concat([Buffer.alloc(1), significant]) : significant;
  return encodeDer(DerTag.integer, contents);
}

/** `OCTET STRING`. */
export function octetString(contents: Buffer): Buffer {
  return encodeDer(DerTag.octetString, contents);
}

/** `NULL`. */
export const NULL = encodeDer(DerTag.null, Buffer.alloc(0));
/** `BOOLEAN` that is true. */
export const TRUE = encodeDer(DerTag.boolean, Buffer.of(0xff));
/** `BIT STRING` without a bit. */
export const NO_BITS = encodeDer(DerTag.bitString, Buffer.of(0));

/** Seven bits a byte, all but the last with their top bit set. */
function encodeArc(arc: number): number[] {
  const bytes = [arc % 128];
  for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) bytes.unshift((left % 128) + 128);
  return bytes;
}

function evenHex(value: number): string {
  assert(Number.isSafeInteger(value) && value >= 0, `${value} is a natural number`);
  const hex = value.toString(16);
  return hex.padStart(hex.length + (hex.length % 2), "0");
}
