import { Cursor } from "../cursor.ts";

/** A CBOR value of the kinds that attestation documents have. */
export type CborValue = number | bigint | boolean | null | string | Buffer | CborValue[] | Map<CborValue, CborValue>;

/** Limits of what is read: a document has some dozen values, four levels deep. */
const LIMITS = { values: 4096, depth: 16 } as const;

/** Major types. @see RFC 8949, 3.1 */
const MAJOR = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6, simple: 7 } as const;

/**
 * Decodes one CBOR value that fills the bytes. Tags are dropped. Values of other kinds, such as floating-point numbers, are
 * refused.
 * @param record what the bytes are, for errors
 * @throws FormatError where they end early or go on
 * @see RFC 8949
 */
export function decodeCbor(record: string, bytes: Uint8Array): CborValue {
  const reader = { cursor: new Cursor(record, bytes), values: 0 };
  const value = readValue(reader, 0);
  if (reader.cursor.leftBytes > 0)
    throw reader.cursor.error("end", `expected it, got ${reader.cursor.leftBytes} more bytes`);
  return value;
}

interface Reader {
  cursor: Cursor;
  values: number;
}

function readValue(reader: Reader, depth: number): CborValue {
  const { cursor } = reader;
  if (++reader.values > LIMITS.values) throw cursor.error("value", `expected at most ${LIMITS.values} values`);
  if (depth > LIMITS.depth) throw cursor.error("value", `expected at most ${LIMITS.depth} levels`);
  const head = cursor.u8("head");
  const [major, info] = [head >> 5, head & 0x1f];
  if (info === 31 && (major === MAJOR.array || major === MAJOR.map)) return readIndefinite(reader, { major, depth });
  if (major === MAJOR.simple) return readSimple(cursor, info);
  const argument = readArgument(cursor, info);
  switch (major) {
    case MAJOR.unsigned:
      return argument <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(argument) : argument;
    case MAJOR.negative:
      return -1n - argument;
    case MAJOR.bytes:
      return cursor.bytes(size(cursor, argument), "bytes");
    case MAJOR.text:
      return cursor.bytes(size(cursor, argument), "text").toString("utf8");
    case MAJOR.array:
      return Array.from({ length: count(cursor, argument) }, () => readValue(reader, depth + 1));
    case MAJOR.map: {
      const pairs = Array.from({ length: count(cursor, argument * 2n) / 2 }, () => readPair(reader, depth));
      return new Map(pairs);
    }
    default:
      return readValue(reader, depth + 1);
  }
}

function readPair(reader: Reader, depth: number): [CborValue, CborValue] {
  const key = readValue(reader, depth + 1);
  return [key, readValue(reader, depth + 1)];
}

/** An array or map that ends at a break. */
function readIndefinite(reader: Reader, { major, depth }: { major: number; depth: number }): CborValue {
  const BREAK = 0xff;
  const values: CborValue[] = [];
  const pairs: [CborValue, CborValue][] = [];
  while (reader.cursor.peek() !== BREAK) {
    if (major === MAJOR.map) pairs.push(readPair(reader, depth));
    else values.push(readValue(reader, depth + 1));
  }
  reader.cursor.u8("break");
  return major === MAJOR.map ? new Map(pairs) : values;
}

function readSimple(cursor: Cursor, info: number): boolean | null {
  const value = { 20: false, 21: true, 22: null, 23: null }[info];
  if (value === undefined) throw cursor.error("simple value", `expected false, true or null, got ${info}`);
  return value;
}

function readArgument(cursor: Cursor, info: number): bigint {
  if (info < 24) return BigInt(info);
  const sizes: Record<number, number> = { 24: 1, 25: 2, 26: 4, 27: 8 };
  const sizeBytes = sizes[info];
  if (sizeBytes === undefined) throw cursor.error("argument", `expected 0..27, got ${info}`);
  return BigInt(`0x${cursor.bytes(sizeBytes, "argument").toString("hex")}`);
}

/** How many values follow: no more than are read, and than there are bytes left, since every value takes one. */
function count(cursor: Cursor, argument: bigint): number {
  if (argument > BigInt(LIMITS.values))
    throw cursor.error("count", `expected at most ${LIMITS.values}, got ${argument}`);
  return size(cursor, argument);
}

/** A size: no more than there are bytes left. */
function size(cursor: Cursor, argument: bigint): number {
  if (argument <= BigInt(cursor.leftBytes)) return Number(argument);
  throw cursor.error("size", `expected at most ${cursor.leftBytes}, got ${argument}`);
}
