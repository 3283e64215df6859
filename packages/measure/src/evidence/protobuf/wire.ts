import { Cursor } from "../cursor.ts";
import {
  addValue,
  PROTO_LIMITS,
  type ProtoField,
  type ProtoMessage,
  protoMessage,
  type ProtoSchema,
  type ProtoValue,
} from "./schema.ts";

/** @see Protocol Buffers, "Encoding", "Message Structure" */
const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;
const MAX_VARINT_BYTES = 10;

/**
 * Decodes a message of protocol buffers.
 * @param record its name, for errors
 * @throws FormatError where it ends early, or is encoded in a way that the schema does not have
 * @see Protocol Buffers, "Encoding"
 */
export function decodeProto(record: string, bytes: Uint8Array, schema: ProtoSchema): ProtoMessage {
  return decodeMessage({ record, schema, depth: 0, total: { fields: 0 } }, bytes);
}

interface Place {
  record: string;
  schema: ProtoSchema;
  depth: number;
  /** Of the whole message that is decoded. */
  total: { fields: number };
}

function decodeMessage(place: Place, bytes: Uint8Array): ProtoMessage {
  const cursor = new Cursor(place.record, bytes);
  if (place.depth > PROTO_LIMITS.depth) throw cursor.error("message", `expected at most ${PROTO_LIMITS.depth} levels`);
  const byNumber = new Map(Object.entries(place.schema).map(([name, [number, field]]) => [number, { name, field }]));
  const values = new Map<string, ProtoValue[]>();
  while (cursor.leftBytes > 0) {
    if (place.total.fields++ === PROTO_LIMITS.fields) {
      throw cursor.error("message", `expected at most ${PROTO_LIMITS.fields} fields`);
    }
    const tag = Number(readVarint(cursor));
    const number = Math.floor(tag / 8);
    if (number === 0 || tag > 0xffff_ffff) throw cursor.error("tag", `expected a field's number, got ${number}`);
    const raw = readRaw(cursor, tag % 8);
    const known = byNumber.get(number);
    if (known === undefined) continue;
    const value = decodeValue(known.field, raw, { ...place, record: `${place.record}.${known.name}` }, cursor);
    addValue(values, known.name, value);
  }
  return protoMessage(values);
}

function decodeValue(field: ProtoField, raw: Buffer | bigint, place: Place, cursor: Cursor): ProtoValue {
  const isNumber = field === "uint" || (typeof field === "object" && "enum" in field);
  if (isNumber !== (typeof raw === "bigint")) throw cursor.error("wire type", `expected that of ${place.record}`);
  if (typeof raw === "bigint") return Number(BigInt.asUintN(32, raw));
  const isMessage = typeof field === "object" && "message" in field;
  return isMessage ? decodeMessage({ ...place, schema: field.message, depth: place.depth + 1 }, raw) : raw;
}

/** A value as it is on the wire: bytes, or a number. */
function readRaw(cursor: Cursor, wire: number): Buffer | bigint {
  switch (wire) {
    case WIRE.varint:
      return readVarint(cursor);
    case WIRE.fixed64:
      return cursor.bytes(8, "fixed64").readBigUInt64LE();
    case WIRE.fixed32:
      return BigInt(cursor.u32le("fixed32"));
    case WIRE.bytes: {
      const sizeBytes = readVarint(cursor);
      if (sizeBytes > BigInt(cursor.leftBytes)) {
        throw cursor.error("size", `expected at most ${cursor.leftBytes} bytes, got ${sizeBytes}`);
      }
      return cursor.bytes(Number(sizeBytes), "value");
    }
    default:
      throw cursor.error("wire type", `expected 0, 1, 2 or 5, got ${wire}`);
  }
}

function readVarint(cursor: Cursor): bigint {
  let value = 0n;
  for (let index = 0; index < MAX_VARINT_BYTES; index++) {
    const byte = cursor.u8("varint");
    value |= BigInt(byte & 0x7f) << BigInt(7 * index);
    if (byte < 0x80) return value;
  }
  throw cursor.error("varint", `expected at most ${MAX_VARINT_BYTES} bytes`);
}
