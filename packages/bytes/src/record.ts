import { assert, FormatError } from "./errors.ts";

/** One field's type: its size in bytes and how a value is put and got. */
export interface FieldType<T> {
  readonly sizeBytes: number;
  readonly name: string;
  put(view: Buffer, offset: number, value: T): void;
  get(view: Buffer, offset: number): T;
  /** What `value` should have been, or undefined where it fits. */
  refuse(value: T): string | undefined;
  show(value: T): string;
}

type Layout = Readonly<Record<string, readonly [offset: number, type: FieldType<any>]>>;

/** The values that a record's fields hold. */
export type ValueOf<R> =
  R extends RecordType<infer L>
    ? { -readonly [K in keyof L]: L[K] extends readonly [number, FieldType<infer T>] ? T : never }
    : never;

/** A fixed-size record: encode, decode and dump come from one table. */
export interface RecordType<L extends Layout> {
  readonly recordName: string;
  readonly sizeBytes: number;
  /** The offset of a field, for the rare writer that patches one in place. */
  offsetOf(field: keyof L & string): number;
  /** @throws Error where a value does not fit its field (a bug of ours) */
  encode(values: ValueOf<RecordType<L>>): Buffer;
  /** As `encode`, at `offsetBytes` of a buffer that is zero there: for tables of many records. */
  encodeInto(target: Buffer, offsetBytes: number, values: ValueOf<RecordType<L>>): void;
  /** @throws FormatError where fewer than `sizeBytes` bytes are left at `offsetBytes` */
  decode(bytes: Uint8Array, offsetBytes?: number): ValueOf<RecordType<L>>;
  /** One `name = value` line a field. */
  dump(values: ValueOf<RecordType<L>>): string;
}

/**
 * Defines a record of `sizeBytes` bytes. Gaps, overlaps and a wrong total are refused here, when the module loads.
 * @param layout field name to [offset in bytes, type], in order
 */
export function record<const L extends Layout>(recordName: string, sizeBytes: number, layout: L): RecordType<L> {
  checkLayout(recordName, sizeBytes, layout);
  const fields = Object.entries(layout).map(([field, [offset, type]]) => ({ field, offset, type }));
  const encodeInto = (target: Buffer, offsetBytes: number, values: ValueOf<RecordType<L>>): void => {
    assert(offsetBytes + sizeBytes <= target.length, "expected room for a record");
    for (const { field, offset, type } of fields) {
      const value = (values as Record<string, unknown>)[field];
      const refusal = type.refuse(value);
      if (refusal !== undefined) {
        const place = `${recordName}.${field} at 0x${offset.toString(16)}`;
        assert(false, `cannot encode ${place}: expected ${refusal}, got ${String(value)}`);
      }
      type.put(target, offsetBytes + offset, value);
    }
  };
  return {
    recordName,
    sizeBytes,
    offsetOf(field) {
      const place = layout[field];
      assert(place, `${recordName} has no field ${field}`);
      return place[0];
    },
    encode(values) {
      const bytes = Buffer.alloc(sizeBytes);
      encodeInto(bytes, 0, values);
      return bytes;
    },
    encodeInto,
    decode(bytes, offsetBytes = 0) {
      const left = bytes.byteLength - offsetBytes;
      if (left < sizeBytes) {
        throw new FormatError(
          { record: recordName, offsetBytes },
          `expected ${sizeBytes} bytes, got ${Math.max(left, 0)}`,
        );
      }
      const view = Buffer.from(bytes.buffer, bytes.byteOffset + offsetBytes, sizeBytes);
      const values = fields.map(({ field, offset, type }) => [field, type.get(view, offset)] as const);
      return Object.fromEntries(values) as ValueOf<RecordType<L>>;
    },
    dump(values) {
      const byName = values as Record<string, unknown>;
      return fields.map(({ field, type }) => `${field} = ${type.show(byName[field])}\n`).join("");
    },
  };
}

function checkLayout(recordName: string, sizeBytes: number, layout: Layout): void {
  let expected = 0;
  for (const [field, [offset, type]] of Object.entries(layout)) {
    assert(offset === expected, `${recordName}.${field}: expected offset ${expected}, got ${offset}`);
    expected += type.sizeBytes;
  }
  assert(expected === sizeBytes, `${recordName}: expected a total of ${sizeBytes} bytes, got ${expected}`);
}

function unsigned(name: string, sizeBytes: 1 | 2 | 4, bigEndian: boolean): FieldType<number> {
  const max = 2 ** (8 * sizeBytes) - 1;
  return {
    name,
    sizeBytes,
    put(view, offset, value) {
      // A byte at a time, since this is where tables of many records spend their time.
      for (let byte = 0; byte < sizeBytes; byte++) {
        view[offset + (bigEndian ? sizeBytes - 1 - byte : byte)] = value >>> (8 * byte);
      }
    },
    get: (view, offset) => (bigEndian ? view.readUIntBE(offset, sizeBytes) : view.readUIntLE(offset, sizeBytes)),
    refuse: (value) =>
      Number.isInteger(value) && value >= 0 && value <= max ? undefined : `an integer 0..0x${max.toString(16)}`,
    show: (value) => `0x${value.toString(16)}`,
  };
}

/** Unsigned integers of one, two and four bytes, by byte order. */
export const u8 = unsigned("u8", 1, false);
export const u16le = unsigned("u16le", 2, false);
export const u32le = unsigned("u32le", 4, false);
export const u16be = unsigned("u16be", 2, true);
export const u32be = unsigned("u32be", 4, true);

/** A 64-bit little-endian integer as a bigint. */
export const u64le: FieldType<bigint> = {
  name: "u64le",
  sizeBytes: 8,
  put: (view, offset, value) => void view.writeBigUInt64LE(value, offset),
  get: (view, offset) => view.readBigUInt64LE(offset),
  refuse: (value) =>
    typeof value === "bigint" && value >= 0n && value < 1n << 64n ? undefined : "a bigint 0..0xffffffffffffffff",
  show: (value) => `0x${value.toString(16)}`,
};

/** A 64-bit big-endian integer as a bigint. */
export const u64be: FieldType<bigint> = {
  ...u64le,
  name: "u64be",
  put: (view, offset, value) => void view.writeBigUInt64BE(value, offset),
  get: (view, offset) => view.readBigUInt64BE(offset),
};

/** ASCII text of at most `sizeBytes` characters, padded with NULs that decoding strips. */
export function ascii(sizeBytes: number): FieldType<string> {
  return {
    name: `ascii(${sizeBytes})`,
    sizeBytes,
    put: (view, offset, value) => void view.write(value, offset, "latin1"),
    get(view, offset) {
      const text = view.toString("latin1", offset, offset + sizeBytes);
      const end = text.indexOf("\0");
      return end < 0 ? text : text.slice(0, end);
    },
    refuse: (value) =>
      typeof value === "string" && value.length <= sizeBytes && /^[\x20-\x7e]*$/.test(value)
        ? undefined
        : `at most ${sizeBytes} ASCII characters`,
    show: (value) => JSON.stringify(value),
  };
}

/** Exactly `sizeBytes` raw bytes. */
export function raw(sizeBytes: number): FieldType<Buffer> {
  return {
    name: `raw(${sizeBytes})`,
    sizeBytes,
    put: (view, offset, value) => void value.copy(view, offset),
    get: (view, offset) => Buffer.from(view.subarray(offset, offset + sizeBytes)),
    refuse: (value) => (value.length === sizeBytes ? undefined : `${sizeBytes} bytes`),
    show: (value) => value.toString("hex"),
  };
}
