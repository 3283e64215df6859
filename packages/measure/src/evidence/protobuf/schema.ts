/** How one field of a message is encoded: bytes, a number, a name for a number, or another message. */
export type ProtoField = "bytes" | "uint" | { enum: Readonly<Record<string, number>> } | { message: ProtoSchema };

/** The fields of a message that are read, by name: number and encoding. Others are passed over. */
export type ProtoSchema = { readonly [name: string]: readonly [number: number, field: ProtoField] };

/** A message, decoded: every field with all its values, in order. */
export interface ProtoMessage {
  bytes(name: string): Buffer[];
  numbers(name: string): number[];
  messages(name: string): ProtoMessage[];
}

/** Limits of what is read: attestations have some hundred fields, in messages some levels deep. */
export const PROTO_LIMITS = { fields: 4096, depth: 16, textCharacters: 1 << 22 } as const;

/** A value of a field. */
export type ProtoValue = Buffer | number | ProtoMessage;

/** Adds a value to those that a field has. */
export function addValue(values: Map<string, ProtoValue[]>, name: string, value: ProtoValue): void {
  const known = values.get(name);
  if (known) known.push(value);
  else values.set(name, [value]);
}

/** A message of values by field's name. */
export function protoMessage(values: ReadonlyMap<string, readonly ProtoValue[]>): ProtoMessage {
  const of = (name: string) => values.get(name) ?? [];
  return {
    bytes: (name) => of(name).filter((value) => Buffer.isBuffer(value)),
    numbers: (name) => of(name).filter((value) => typeof value === "number"),
    messages: (name) => of(name).filter((value) => isMessage(value)),
  };
}

function isMessage(value: ProtoValue): value is ProtoMessage {
  return typeof value === "object" && !Buffer.isBuffer(value);
}
