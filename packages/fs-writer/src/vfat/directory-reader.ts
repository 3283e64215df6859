import { type ByteSource, FormatError } from "@cvm-build/bytes";
import {
  ATTRIBUTE,
  CASE_LOWER_BASE,
  CASE_LOWER_EXTENSION,
  DirectoryEntry,
  ENTRY_DELETED,
  ENTRY_END,
  ENTRY_KANJI,
  LAST_LONG_ENTRY,
  LONG_NAME_ATTRIBUTES,
  LONG_NAME_MASK,
  LongNameEntry,
  MAX_DIRECTORY_ENTRIES,
  MAX_NAME_UNITS,
  UNITS_PER_ENTRY,
} from "./format.ts";
import { shortNameChecksum } from "./names.ts";
import { decodeFatTime } from "./time.ts";
import { decodeLabel } from "./volume.ts";

/** An entry of a directory, as it is shown. */
export interface ListedEntry {
  name: string;
  attributes: number;
  cluster: number;
  sizeBytes: number;
  mtimeSec: number;
}

/** What a directory holds. */
export interface Listing {
  entries: ListedEntry[];
  /** The volume's, which the root directory may have. */
  label: string | undefined;
}

/** Bytes from 0x80 on in a short name: code page 437, which Linux takes them for. */
const CODE_PAGE_437 =
  "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0";

/**
 * The entries of a directory, without `.` and `..`. Parts of a long name that belong to no entry are passed over, as the
 * specification has it.
 * @param path for errors
 * @throws FormatError where it has too many entries, or a name that is none
 */
export function readDirectory(source: ByteSource, path: string): Listing {
  const records = Math.min(Math.floor(source.sizeBytes / DirectoryEntry.sizeBytes), MAX_DIRECTORY_ENTRIES + 1);
  const bytes = source.read(0, records * DirectoryEntry.sizeBytes);
  const listing: Listing = { entries: [], label: undefined };
  let parts: LongNameEntry[] = [];
  for (let at = 0; at < bytes.length; at += DirectoryEntry.sizeBytes) {
    if (at === MAX_DIRECTORY_ENTRIES * DirectoryEntry.sizeBytes) {
      throw new FormatError({ record: "DirectoryEntry" }, `expected at most ${MAX_DIRECTORY_ENTRIES} in "${path}"`);
    }
    const first = bytes[at];
    if (first === ENTRY_END) break;
    const attributes = bytes[at + DirectoryEntry.offsetOf("attributes")] ?? 0;
    if (first === ENTRY_DELETED) {
      parts = [];
    } else if ((attributes & LONG_NAME_MASK) === LONG_NAME_ATTRIBUTES) {
      parts = continueLongName(parts, LongNameEntry.decode(bytes, at));
    } else {
      takeEntry(listing, DirectoryEntry.decode(bytes, at), { parts, path });
      parts = [];
    }
  }
  return listing;
}

/** The parts so far with another, or none where it does not continue them. */
function continueLongName(parts: LongNameEntry[], part: LongNameEntry): LongNameEntry[] {
  const order = part.order & ~LAST_LONG_ENTRY;
  if ((part.order & LAST_LONG_ENTRY) !== 0) return order > 0 ? [part] : [];
  const before = parts.at(-1);
  const continues = before && order > 0 && (before.order & ~LAST_LONG_ENTRY) === order + 1;
  if (!continues || before.checksum !== part.checksum) return [];
  parts.push(part);
  return parts;
}

function takeEntry(
  listing: Listing,
  entry: DirectoryEntry,
  { parts, path }: { parts: readonly LongNameEntry[]; path: string },
): void {
  if ((entry.attributes & ATTRIBUTE.volumeLabel) !== 0) {
    listing.label ??= decodeLabel(entry.name);
    return;
  }
  const isDot = entry.name.toString("latin1").trimEnd();
  if (isDot === "." || isDot === "..") return;
  const name = longNameOf(entry, parts) ?? shortNameOf(entry);
  checkName(name, path);
  listing.entries.push({
    name,
    attributes: entry.attributes,
    cluster: entry.clusterHigh * 0x10000 + entry.clusterLow,
    sizeBytes: entry.sizeBytes,
    mtimeSec: decodeFatTime({ date: entry.writeDate, time: entry.writeTime }),
  });
}

function longNameOf(entry: DirectoryEntry, parts: readonly LongNameEntry[]): string | undefined {
  const last = parts.at(-1);
  const isWhole = last && (last.order & ~LAST_LONG_ENTRY) === 1;
  if (!isWhole || last.checksum !== shortNameChecksum(entry.name)) return undefined;
  const units = Buffer.concat(parts.toReversed().flatMap((part) => [part.units1, part.units2, part.units3]));
  const text = units.toString("utf16le");
  const end = text.indexOf("\0");
  return end < 0 ? text : text.slice(0, end);
}

function shortNameOf({ name, caseFlags }: DirectoryEntry): string {
  const lower = (text: string, flag: number): string => ((caseFlags & flag) === 0 ? text : text.toLowerCase());
  const bytes = Buffer.from(name);
  if (bytes[0] === ENTRY_KANJI) bytes[0] = ENTRY_DELETED;
  const text = Array.from(bytes, (byte) => (byte < 0x80 ? String.fromCharCode(byte) : CODE_PAGE_437[byte - 0x80]));
  const base = lower(text.slice(0, 8).join("").trimEnd(), CASE_LOWER_BASE);
  const extension = lower(text.slice(8).join("").trimEnd(), CASE_LOWER_EXTENSION);
  return extension === "" ? base : `${base}.${extension}`;
}

const MAX_LONG_UNITS = Math.ceil(MAX_NAME_UNITS / UNITS_PER_ENTRY) * UNITS_PER_ENTRY;

function checkName(name: string, path: string): void {
  // eslint-disable-next-line no-control-regex
  const isPlain = name.isWellFormed() && !/[\u0000-\u001f/\\]/.test(name) && !/^\.{0,2}$/.test(name);
  if (isPlain && name.length <= MAX_LONG_UNITS) return;
  throw new FormatError({ record: "DirectoryEntry", field: "name" }, `expected a name in "${path}", got ${show(name)}`);
}

function show(name: string): string {
  return JSON.stringify(name.slice(0, 64));
}
