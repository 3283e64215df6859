import { CvmError, paddingTo } from "@cvm-build/bytes";
import {
  PAX_XATTR_PREFIX,
  TAR_BLOCK_BYTES,
  TAR_ENTRY_TYPES,
  type TarEntryType,
  TarHeader,
  USTAR_MAGIC,
} from "./format.ts";

/** An entry to put into a tar archive; what is left out is root's, 0644 (0755 for a directory), of 1970. */
export interface TarInput {
  name: string;
  type?: TarEntryType;
  mode?: number;
  uid?: number;
  gid?: number;
  mtimeSec?: number;
  linkname?: string;
  devmajor?: number;
  devminor?: number;
  xattrs?: ReadonlyMap<string, Uint8Array>;
  /** Data of a file. */
  bytes?: Uint8Array;
}

/** What an archive ends with. @see POSIX.1-2017, pax, "ustar Interchange Format" */
export const TAR_END = Buffer.alloc(2 * TAR_BLOCK_BYTES);

const MAX_OCTAL_ID = 0o7777777;
const MAX_OCTAL_SIZE = 0o77777777777;

/**
 * A tar archive in memory: ustar, with pax records for names, numbers and extended attributes that ustar cannot hold.
 * @throws CvmError `archive` where a name is empty or a number is negative or no integer
 * @see POSIX.1-2017, pax
 */
export function encodeTar(entries: readonly TarInput[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const { bytes = new Uint8Array(), ...entry } of entries) {
    parts.push(encodeTarHeader({ ...entry, sizeBytes: bytes.length }), bytes, tarPadding(bytes.length));
  }
  return Buffer.concat([...parts, TAR_END]);
}

/**
 * What stands before an entry's data: its header, behind pax records where it has any.
 * @throws CvmError `archive` as `encodeTar`
 */
export function encodeTarHeader(entry: Omit<TarInput, "bytes"> & { sizeBytes: number }): Buffer {
  checkEntry(entry);
  const records = paxRecordsOf(entry);
  const header = headerOf(entry, typeflagOf(entry.type ?? "file"), Math.min(entry.sizeBytes, MAX_OCTAL_SIZE));
  if (records.length === 0) return header;
  const extension = headerOf({ name: "././@PaxHeader" }, "x", records.length);
  return Buffer.concat([extension, records, tarPadding(records.length), header]);
}

/** What follows data of that length. */
export function tarPadding(sizeBytes: number): Buffer {
  return Buffer.alloc(paddingTo(sizeBytes, TAR_BLOCK_BYTES));
}

function checkEntry(entry: TarInput): void {
  const numbers = [entry.mode, entry.uid, entry.gid, entry.mtimeSec, entry.devmajor, entry.devminor];
  if (entry.name !== "" && numbers.every((n) => n === undefined || (Number.isSafeInteger(n) && n >= 0))) return;
  throw new CvmError("archive", `cannot pack tar entry "${entry.name}": expected a name and numbers from 0 up`);
}

function paxRecordsOf(entry: Omit<TarInput, "bytes"> & { sizeBytes: number }): Buffer {
  const records: [key: string, value: Uint8Array][] = [];
  const addText = (key: string, text: string | undefined): void => {
    if (text !== undefined && !FITS_USTAR.test(text)) records.push([key, Buffer.from(text)]);
  };
  const addId = (key: string, id: number | undefined): void => {
    if (id !== undefined && id > MAX_OCTAL_ID) records.push([key, Buffer.from(String(id))]);
  };
  addText("path", entry.name);
  addText("linkpath", entry.linkname);
  addId("uid", entry.uid);
  addId("gid", entry.gid);
  if (entry.sizeBytes > MAX_OCTAL_SIZE) records.push(["size", Buffer.from(String(entry.sizeBytes))]);
  for (const [name, value] of entry.xattrs ?? []) records.push([PAX_XATTR_PREFIX + name, value]);
  return Buffer.concat(records.map(([key, value]) => paxRecord(key, value)));
}

/** `<length> <key>=<value>\n`, where the length counts its own digits. */
function paxRecord(key: string, value: Uint8Array): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from("\n")]);
  let lengthBytes = rest.length + 1;
  while (String(lengthBytes).length + rest.length !== lengthBytes) lengthBytes++;
  return Buffer.concat([Buffer.from(String(lengthBytes)), rest]);
}

/** Others have an encoding, of which ustar says nothing and pax that it is UTF-8. */
const FITS_USTAR = /^[ -~]{0,100}$/;

function headerOf(entry: TarInput, typeflag: string, sizeBytes: number): Buffer {
  const block = TarHeader.encode({
    name: Buffer.from(entry.name).subarray(0, 100),
    mode: entry.mode ?? (entry.type === "directory" ? 0o755 : 0o644),
    uid: Math.min(entry.uid ?? 0, MAX_OCTAL_ID),
    gid: Math.min(entry.gid ?? 0, MAX_OCTAL_ID),
    sizeBytes,
    mtimeSec: entry.mtimeSec ?? 0,
    checksum: 0,
    typeflag: Buffer.from(typeflag),
    linkname: Buffer.from(entry.linkname ?? "").subarray(0, 100),
    magic: Buffer.from(USTAR_MAGIC),
    version: Buffer.from("00"),
    uname: Buffer.alloc(0),
    gname: Buffer.alloc(0),
    devmajor: entry.devmajor ?? 0,
    devminor: entry.devminor ?? 0,
    prefix: Buffer.alloc(0),
    padding: Buffer.alloc(0),
  });
  const at = TarHeader.offsetOf("checksum");
  block.fill(" ", at, at + 8);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, at, "latin1");
  return block;
}

function typeflagOf(type: TarEntryType): string {
  return Object.keys(TAR_ENTRY_TYPES).find((typeflag) => TAR_ENTRY_TYPES[typeflag] === type) ?? "0";
}
