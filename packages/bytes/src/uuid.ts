import { createHash } from "node:crypto";
import { assert } from "./errors.ts";
import { type Guid, isGuid } from "./guid.ts";
import type { FieldType } from "./record.ts";

const UUID_BYTES = 16;
const VERSION_BYTE = 6;
const VARIANT_BYTE = 8;

/** A UUID as 16 bytes in the order of its digits, which a GUID of UEFI does not have. @see RFC 9562, 4 */
export function encodeUuid(text: Guid): Buffer {
  assert(isGuid(text), `expected a UUID, got ${JSON.stringify(text)}`);
  return Buffer.from(text.replaceAll("-", ""), "hex");
}

/** The text of the UUID in 16 bytes, lower case. */
export function decodeUuid(bytes: Uint8Array): Guid {
  assert(bytes.byteLength === UUID_BYTES, `expected ${UUID_BYTES} bytes, got ${bytes.byteLength}`);
  const hex = Buffer.from(bytes).toString("hex");
  return [0, 8, 12, 16, 20].map((start, index, starts) => hex.slice(start, starts[index + 1])).join("-");
}

/** A UUID as a field of a record, in the order of its digits. */
export const uuid: FieldType<Guid> = {
  name: "uuid",
  sizeBytes: UUID_BYTES,
  put: (view, offset, value) => void encodeUuid(value).copy(view, offset),
  get: (view, offset) => decodeUuid(view.subarray(offset, offset + UUID_BYTES)),
  refuse: (value) => (isGuid(value) ? undefined : "a UUID in lower case"),
  show: (value) => value,
};

/**
 * A UUID of version 8 that is made of a seed and a name: the same each time, and another for each name.
 * @param seed such as the profile's
 * @param name what it identifies, such as `disk`
 * @see RFC 9562, 5.8
 */
export function derivedUuid(seed: string, name: string): Guid {
  const bytes = createHash("sha256").update(`${seed}\0${name}`).digest().subarray(0, UUID_BYTES);
  bytes[VERSION_BYTE] = 0x80 | ((bytes[VERSION_BYTE] ?? 0) & 0x0f);
  bytes[VARIANT_BYTE] = 0x80 | ((bytes[VARIANT_BYTE] ?? 0) & 0x3f);
  return decodeUuid(bytes);
}
