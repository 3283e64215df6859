import { FormatError } from "@cvm-build/bytes";
import { decodeArchiveText } from "../../archive-text.ts";
import { EROFS_FILE_TYPE, EROFS_NAME_MAX_BYTES, ErofsDirent } from "../format.ts";
import type { ErofsKind } from "./inode.ts";
import { safeNumber } from "./safe-number.ts";

/** An entry of a directory other than `.` and `..`. */
export interface ErofsEntry {
  name: string;
  nid: number;
  kind: ErofsKind;
}

/** Where a directory is, for its `.` and `..`. */
export interface DirectoryPlace {
  nid: number;
  parentNid: number;
  blockBytes: number;
}

const KINDS = new Map<number, ErofsKind>(
  Object.entries(EROFS_FILE_TYPE).map(([kind, number]) => [number, kind as ErofsKind]),
);
const RECORD = ErofsDirent.recordName;

/**
 * Decodes a directory's data. Names come in strictly ascending order, as the kernel's search wants them.
 * @throws FormatError where a block is damaged, names are out of order or make no sense, or `.` and `..` lead elsewhere
 * @see Linux, fs/erofs/dir.c; Documentation/filesystems/erofs.rst, "Directories"
 */
export function* decodeDirectory(data: Buffer, place: DirectoryPlace): Generator<ErofsEntry> {
  let previous: Buffer = Buffer.alloc(0);
  for (let offsetBytes = 0; offsetBytes < data.length; offsetBytes += place.blockBytes) {
    const block = data.subarray(offsetBytes, offsetBytes + place.blockBytes);
    for (const { dirent, name } of blockEntries(block)) {
      if (Buffer.compare(previous, name) >= 0) throw refused("nameOffset", "names in ascending order");
      previous = name;
      const entry = entryOf(dirent, name);
      if (entry.name === "." || entry.name === "..") checkDots(entry, place);
      else yield entry;
    }
  }
}

function* blockEntries(block: Buffer): Generator<{ dirent: ErofsDirent; name: Buffer }> {
  let next = ErofsDirent.decode(block);
  const count = next.nameOffset / ErofsDirent.sizeBytes;
  if (count < 1 || !Number.isInteger(count)) throw refused("nameOffset", "names after whole entries");
  for (let index = 0; index < count; index++) {
    const dirent = next;
    const isLast = index === count - 1;
    if (!isLast) next = ErofsDirent.decode(block, (index + 1) * ErofsDirent.sizeBytes);
    const end = isLast ? endOfLastName(block, dirent.nameOffset) : next.nameOffset;
    const sizeBytes = end - dirent.nameOffset;
    if (sizeBytes < 1 || sizeBytes > EROFS_NAME_MAX_BYTES || end > block.length) {
      throw refused("nameOffset", `names of 1 to ${EROFS_NAME_MAX_BYTES} bytes one after the other`);
    }
    yield { dirent, name: block.subarray(dirent.nameOffset, end) };
  }
}

function endOfLastName(block: Buffer, nameOffset: number): number {
  const end = block.indexOf(0, nameOffset);
  return end < 0 ? block.length : end;
}

function entryOf(dirent: ErofsDirent, bytes: Buffer): ErofsEntry {
  const name = decodeArchiveText(bytes, { record: RECORD, field: "name" });
  if (name.includes("/") || name.includes("\0")) throw refused("name", 'a name without "/" and NUL');
  const kind = KINDS.get(dirent.fileType);
  if (!kind) throw refused("fileType", `a known type of ${JSON.stringify(name)}`);
  return { name, nid: safeNumber(dirent.nid, { record: RECORD, field: "nid" }), kind };
}

function checkDots({ name, nid, kind }: ErofsEntry, place: DirectoryPlace): void {
  const expected = name === "." ? place.nid : place.parentNid;
  if (nid !== expected || kind !== "directory") throw refused("nid", `"${name}" to be directory ${expected}`);
}

function refused(field: string, expected: string): FormatError {
  return new FormatError({ record: RECORD, field }, `expected ${expected}`);
}
