import { FormatError } from "@cvm-build/bytes";
import { decodeArchiveText } from "../archive-text.ts";
import { PAX_XATTR_PREFIX } from "./format.ts";

/** What pax records say of an entry: values that take the place of the header's. */
export interface PaxAttributes {
  path?: string;
  linkpath?: string;
  sizeBytes?: number;
  uid?: number;
  gid?: number;
  mtimeSec?: number;
  xattrs?: Map<string, Uint8Array>;
}

/**
 * Adds pax records (`<length> <key>=<value>\n`) to `attributes`. An empty value takes back what an earlier record said.
 * Keys that say nothing of what a tree holds (times beside mtime, user names, comments) are passed over.
 * @param offsetBytes where the records start in the archive, for errors
 * @throws FormatError where they are malformed or describe a sparse file
 * @see POSIX.1-2017, pax, "pax Extended Header"
 */
export function decodePax(records: Buffer, offsetBytes: number, attributes: PaxAttributes): void {
  for (let at = 0; at < records.length;) {
    const fail = (expectation: string): never => {
      throw new FormatError({ record: "pax", offsetBytes: offsetBytes + at }, expectation);
    };
    const space = records.indexOf(0x20, at);
    const digits = records.toString("latin1", at, space < 0 ? at : Math.min(space, at + 12));
    const lengthBytes = /^[1-9][0-9]*$/.test(digits) ? Number(digits) : fail("expected the length of a record");
    const end = at + lengthBytes;
    if (end > records.length || end < space + 3 || records[end - 1] !== 0x0a) fail("expected a whole record");
    const equals = records.indexOf(0x3d, space + 1);
    if (equals <= space + 1 || equals >= end - 1) fail('expected "key=value"');
    const key = decodeArchiveText(records.subarray(space + 1, equals), {
      record: "pax",
      offsetBytes: offsetBytes + at,
    });
    applyRecord(attributes, { key, value: records.subarray(equals + 1, end - 1), offsetBytes: offsetBytes + at });
    at = end;
  }
}

interface PaxRecord {
  key: string;
  value: Buffer;
  offsetBytes: number;
}

function applyRecord(attributes: PaxAttributes, record: PaxRecord): void {
  const { key, value } = record;
  switch (key) {
    case "path":
    case "linkpath":
      return put(attributes, key, value.length === 0 ? undefined : decodeText(record));
    case "size":
      return put(attributes, "sizeBytes", value.length === 0 ? undefined : decodeInteger(record));
    case "uid":
    case "gid":
      return put(attributes, key, value.length === 0 ? undefined : decodeInteger(record));
    case "mtime":
      return put(attributes, "mtimeSec", value.length === 0 ? undefined : decodeTime(record));
  }
  if (key.startsWith("GNU.sparse.")) {
    throw new FormatError({ record: "pax", field: key, offsetBytes: record.offsetBytes }, "sparse files are not read");
  }
  if (!key.startsWith(PAX_XATTR_PREFIX)) return;
  const name = key.slice(PAX_XATTR_PREFIX.length);
  if (name === "")
    throw new FormatError({ record: "pax", field: key, offsetBytes: record.offsetBytes }, "expected a name");
  attributes.xattrs ??= new Map();
  attributes.xattrs.set(name, Buffer.from(value));
}

function put<K extends keyof PaxAttributes>(
  attributes: PaxAttributes,
  key: K,
  value: PaxAttributes[K] | undefined,
): void {
  if (value === undefined) delete attributes[key];
  else attributes[key] = value;
}

function decodeText({ key, value, offsetBytes }: PaxRecord): string {
  const place = { record: "pax", field: key, offsetBytes };
  const text = decodeArchiveText(value, place);
  if (text.includes("\0")) throw new FormatError(place, "expected a name without NUL");
  return text;
}

function decodeInteger({ key, value, offsetBytes }: PaxRecord): number {
  const text = value.toString("latin1");
  const number = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(number)) return number;
  throw new FormatError(
    { record: "pax", field: key, offsetBytes },
    `expected digits, got ${JSON.stringify(text.slice(0, 40))}`,
  );
}

function decodeTime({ key, value, offsetBytes }: PaxRecord): number {
  const text = value.toString("latin1");
  const seconds = /^-?[0-9]{1,15}(\.[0-9]{0,40})?$/.test(text) ? Math.floor(Number(text)) : Number.NaN;
  if (Number.isSafeInteger(seconds)) return seconds;
  throw new FormatError(
    { record: "pax", field: key, offsetBytes },
    `expected seconds, got ${JSON.stringify(text.slice(0, 40))}`,
  );
}
