import { alignUp, FormatError } from "@cvm-build/bytes";
import { decodeArchiveText } from "../../archive-text.ts";
import { isZero } from "../../zeros.ts";
import {
  EROFS_XATTR_LONG_PREFIX,
  EROFS_XATTR_LONG_PREFIX_MASK,
  EROFS_XATTR_PREFIXES,
  EROFS_XATTR_UNIT_BYTES,
  ErofsXattrBodyHeader,
  ErofsXattrEntry,
} from "../format.ts";
import type { ErofsInode } from "./inode.ts";
import type { ErofsVolume } from "./superblock.ts";

interface Xattr {
  name: string;
  value: Buffer;
}

const RECORD = ErofsXattrEntry.recordName;
const SHARED_ID_BYTES = 4;

/**
 * Reads extended attributes. A shared one is read once, and its value is the same buffer wherever it is used.
 * @see Linux, fs/erofs/xattr.c
 */
export class XattrReader {
  readonly #volume: ErofsVolume;
  readonly #readPrefixes: () => readonly string[];
  #prefixes: readonly string[] | undefined;
  readonly #shared = new Map<number, Xattr>();
  #sharedBytes = 0;

  /** @param readPrefixes reads the long prefixes, once they are needed */
  constructor(volume: ErofsVolume, readPrefixes: () => readonly string[]) {
    this.#volume = volume;
    this.#readPrefixes = readPrefixes;
  }

  /**
   * The attributes of an inode by full name, or undefined where it has none.
   * @throws FormatError where they are damaged, or two have one name
   */
  read({ xattrs }: ErofsInode): ReadonlyMap<string, Uint8Array> | undefined {
    if (xattrs.sizeBytes === 0) return undefined;
    const body = this.#volume.source.read(xattrs.offsetBytes, xattrs.sizeBytes);
    const { sharedCount } = ErofsXattrBodyHeader.decode(body);
    const found = new Map<string, Uint8Array>();
    const add = ({ name, value }: Xattr): void => {
      if (name === "" || found.has(name)) {
        throw new FormatError({ record: RECORD, field: "name" }, `expected names that differ, got "${name}" again`);
      }
      found.set(name, value);
    };
    const entriesOffset = ErofsXattrBodyHeader.sizeBytes + sharedCount * SHARED_ID_BYTES;
    if (entriesOffset > body.length) {
      throw new FormatError({ record: ErofsXattrBodyHeader.recordName, field: "sharedCount" }, "expected fewer");
    }
    for (let at = ErofsXattrBodyHeader.sizeBytes; at < entriesOffset; at += SHARED_ID_BYTES) {
      add(this.#sharedXattr(body.readUInt32LE(at)));
    }
    for (let at = entriesOffset; at < body.length;) {
      const { name, value, sizeBytes } = this.#decode(body.subarray(at));
      // Zeros fill a body that was made larger than its entries.
      if (sizeBytes === EROFS_XATTR_UNIT_BYTES && isZero(body.subarray(at))) break;
      add({ name, value: Buffer.from(value) });
      at += alignUp(sizeBytes, EROFS_XATTR_UNIT_BYTES);
    }
    return found.size === 0 ? undefined : found;
  }

  #sharedXattr(id: number): Xattr {
    const known = this.#shared.get(id);
    if (known) return known;
    const { source, xattrOffsetBytes } = this.#volume;
    const offsetBytes = xattrOffsetBytes + id * EROFS_XATTR_UNIT_BYTES;
    const head = ErofsXattrEntry.decode(source.read(offsetBytes, ErofsXattrEntry.sizeBytes));
    const sizeBytes = ErofsXattrEntry.sizeBytes + head.nameSizeBytes + head.valueSizeBytes;
    const { name, value } = this.#decode(source.read(offsetBytes, sizeBytes));
    const xattr = { name, value: Buffer.from(value) };
    // Those that do not overlap are together no larger than the image.
    this.#sharedBytes += sizeBytes;
    if (this.#sharedBytes > source.sizeBytes)
      throw new FormatError({ record: RECORD, offsetBytes }, "expected no overlap");
    this.#shared.set(id, xattr);
    return xattr;
  }

  #decode(bytes: Buffer): Xattr & { sizeBytes: number } {
    const { nameSizeBytes, nameIndex, valueSizeBytes } = ErofsXattrEntry.decode(bytes);
    const valueOffset = ErofsXattrEntry.sizeBytes + nameSizeBytes;
    const sizeBytes = valueOffset + valueSizeBytes;
    if (sizeBytes > bytes.length) {
      throw new FormatError({ record: RECORD, field: "valueSizeBytes" }, `expected at most ${bytes.length} bytes`);
    }
    const rest = decodeArchiveText(bytes.subarray(ErofsXattrEntry.sizeBytes, valueOffset), {
      record: RECORD,
      field: "name",
    });
    if (rest.includes("\0")) throw new FormatError({ record: RECORD, field: "name" }, "expected a name without NUL");
    return { name: this.#prefix(nameIndex) + rest, value: bytes.subarray(valueOffset, sizeBytes), sizeBytes };
  }

  #prefix(nameIndex: number): string {
    if ((nameIndex & EROFS_XATTR_LONG_PREFIX) === 0) return shortPrefix(nameIndex);
    this.#prefixes ??= this.#readPrefixes();
    const prefix = this.#prefixes[nameIndex & EROFS_XATTR_LONG_PREFIX_MASK];
    if (prefix !== undefined) return prefix;
    throw new FormatError({ record: RECORD, field: "nameIndex" }, `expected one of ${this.#prefixes.length} prefixes`);
  }
}

/** Index 0 stands for names without a prefix of their own. */
function shortPrefix(index: number): string {
  if (index === 0) return "";
  const prefix = (EROFS_XATTR_PREFIXES as Readonly<Record<number, string>>)[index];
  if (prefix !== undefined) return prefix;
  throw new FormatError({ record: RECORD, field: "nameIndex" }, `expected a known prefix, got ${index}`);
}

const PREFIX_SIZE_BYTES = 2;
/** Long prefixes begin at multiples of this. */
const PREFIX_ALIGNMENT = 4;

/**
 * Decodes long prefixes: each a size, the number of a short one, and what comes after that.
 * @param read gives bytes of where they lie
 * @throws FormatError
 * @see Linux, fs/erofs/xattr.c, erofs_xattr_prefixes_init
 */
export function decodePrefixes(
  { count, offsetBytes }: ErofsVolume["prefixes"],
  read: (offsetBytes: number, sizeBytes: number) => Buffer,
): string[] {
  const prefixes: string[] = [];
  for (let at = offsetBytes; prefixes.length < count;) {
    const sizeBytes = read(at, PREFIX_SIZE_BYTES).readUInt16LE();
    if (sizeBytes === 0) throw new FormatError({ record: "ErofsXattrLongPrefix", offsetBytes: at }, "expected a size");
    const bytes = read(at + PREFIX_SIZE_BYTES, sizeBytes);
    const infix = decodeArchiveText(bytes.subarray(1), { record: "ErofsXattrLongPrefix", field: "infix" });
    prefixes.push(shortPrefix(bytes[0] ?? 0) + infix);
    at += alignUp(PREFIX_SIZE_BYTES + sizeBytes, PREFIX_ALIGNMENT);
  }
  return prefixes;
}
