import { assert } from "./errors.ts";
import type { FieldType } from "./record.ts";

const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const GUID_BYTES = 16;

/** A GUID as text, lower case: `8be4df61-93ca-11d2-aa0d-00e098032b8c`. */
export type Guid = string;

/** Says whether `text` is a GUID in lower case. */
export function isGuid(text: string): text is Guid {
  return GUID.test(text);
}

/**
 * A GUID as 16 bytes: its first three groups little-endian.
 * @see UEFI Specification, appendix A, "GUID and Time Formats"
 */
export function encodeGuid(text: Guid): Buffer {
  assert(isGuid(text), `expected a GUID, got ${JSON.stringify(text)}`);
  return swapped(Buffer.from(text.replaceAll("-", ""), "hex"));
}

/** The text of the GUID in 16 bytes. */
export function decodeGuid(bytes: Uint8Array): Guid {
  assert(bytes.byteLength === GUID_BYTES, `expected ${GUID_BYTES} bytes, got ${bytes.byteLength}`);
  const hex = swapped(Buffer.from(bytes)).toString("hex");
  return [0, 8, 12, 16, 20].map((start, index, starts) => hex.slice(start, starts[index + 1])).join("-");
}

/** A GUID as a field of a record. */
export const guid: FieldType<Guid> = {
  name: "guid",
  sizeBytes: GUID_BYTES,
  put: (view, offset, value) => void encodeGuid(value).copy(view, offset),
  get: (view, offset) => decodeGuid(view.subarray(offset, offset + GUID_BYTES)),
  refuse: (value) => (isGuid(value) ? undefined : "a GUID in lower case"),
  show: (value) => value,
};

/** Turns the byte order of the first three groups. */
function swapped(bytes: Buffer): Buffer {
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}
