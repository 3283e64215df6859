import { alignUp, type ByteSource, bytesSource, chunksOf, FormatError, sliceSource } from "@cvm-build/bytes";
import { PATH_MAX_BYTES } from "../archive-path.ts";
import { decodeArchiveText } from "../archive-text.ts";
import { detectCompression } from "../compression/format.ts";
import { decodeGzipMember, decodeZstdMember, type Member } from "../compression/member.ts";
import { skipZeros, windowSource } from "../window-source.ts";
import {
  CPIO_ALIGNMENT,
  MODE_TYPE,
  MODE_TYPE_MASK,
  NEWC_CRC_MAGIC,
  NEWC_MAGIC,
  NewcHeader,
  TRAILER_NAME,
} from "./format.ts";

/** An entry of a cpio archive, or of one of several in a row. */
export interface CpioEntry {
  /** As the archive has it: `archivePath` normalises it. */
  name: string;
  kind: keyof typeof MODE_TYPE;
  /** 0..0o7777 */
  mode: number;
  uid: number;
  gid: number;
  mtimeSec: number;
  nlink: number;
  /** Entries of one archive with the same `linkId` and an `nlink` above 1 are one file. */
  linkId: string;
  rdevmajor: number;
  rdevminor: number;
  /** The data of a file, the target of a symbolic link. */
  data: ByteSource;
}

/** How much an initrd may hold. */
export interface ReadCpioOptions {
  /** How much all compressed members together may hold. */
  maxSizeBytes?: number;
}

const DEFAULT_MAX_SIZE_BYTES = 2 ** 31;
/** Some hundred are usual; each costs a decompressor, be it ever so small. */
const MAX_MEMBERS = 1 << 14;

/**
 * The entries of an initrd, as the kernel's unpacker goes through it: newc archives in a row, plain or each compressed
 * with zstd or gzip, with zeros between them. One compressed member at a time is in memory.
 * @throws FormatError where a member or an archive is damaged or ends early, or compressed in another way
 * @see Linux, Documentation/driver-api/early-userspace/buffer-format.rst; init/initramfs.c
 */
export function* readCpio(bytes: ByteSource, options: ReadCpioOptions = {}): Generator<CpioEntry> {
  const source = windowSource(bytes);
  const unpacker = { archive: 0 };
  let members = 0;
  let leftBytes = options.maxSizeBytes ?? DEFAULT_MAX_SIZE_BYTES;
  for (let at = skipZeros(source, 0); at < source.sizeBytes; at = skipZeros(source, at)) {
    if (startsEntry(source, at)) {
      at = yield* readArchive(source, at, unpacker);
      continue;
    }
    if (++members > MAX_MEMBERS) {
      throw new FormatError(
        { record: "initrd", offsetBytes: at },
        `expected at most ${MAX_MEMBERS} compressed members`,
      );
    }
    const member = decodeMember(source, at, leftBytes);
    leftBytes -= member.data.length;
    at += member.sizeBytes;
    const inner = bytesSource(member.data);
    for (let innerAt = skipZeros(inner, 0); innerAt < inner.sizeBytes; innerAt = skipZeros(inner, innerAt)) {
      if (!startsEntry(inner, innerAt)) {
        throw new FormatError({ record: "initrd", offsetBytes: innerAt }, "expected cpio in a compressed member");
      }
      innerAt = yield* readArchive(inner, innerAt, unpacker);
    }
  }
}

function startsEntry(source: ByteSource, offsetBytes: number): boolean {
  return source.read(offsetBytes, 1)[0] === 0x30;
}

function decodeMember(source: ByteSource, offsetBytes: number, maxSizeBytes: number): Member {
  const format = detectCompression(source.read(offsetBytes, Math.min(6, source.sizeBytes - offsetBytes)));
  if (format === "zstd") return decodeZstdMember(source, offsetBytes, { maxSizeBytes });
  if (format === "gzip") return decodeGzipMember(source, offsetBytes, { maxSizeBytes });
  const got = format === "none" ? "other bytes" : format;
  throw new FormatError({ record: "initrd", offsetBytes }, `expected cpio, zstd or gzip, got ${got}`);
}

/**
 * One archive from its first header to its trailer, or as far as entries follow each other.
 * @returns where it ends
 */
function* readArchive(
  source: ByteSource,
  startBytes: number,
  unpacker: { archive: number },
): Generator<CpioEntry, number> {
  let at = startBytes;
  while (at < source.sizeBytes && startsEntry(source, at)) {
    const header = decodeHeader(source, at);
    const name = decodeName(source, at, header);
    const dataOffsetBytes = alignUp(at + NewcHeader.sizeBytes + header.nameSizeBytes, CPIO_ALIGNMENT);
    const leftBytes = Math.max(0, source.sizeBytes - dataOffsetBytes);
    if (header.sizeBytes > leftBytes) {
      fail(at, "sizeBytes", `expected at most the ${leftBytes} bytes that are left, got ${header.sizeBytes}`);
    }
    at = alignUp(dataOffsetBytes + header.sizeBytes, CPIO_ALIGNMENT);
    if (name === TRAILER_NAME) {
      unpacker.archive++;
      return at;
    }
    const data = header.sizeBytes === 0 ? NO_DATA : sliceSource(source, dataOffsetBytes, header.sizeBytes);
    const entry = entryOf({ header, name, data, archive: unpacker.archive });
    if (header.magic === NEWC_CRC_MAGIC && entry.kind === "file") compareSum(data, header, dataOffsetBytes);
    yield entry;
  }
  return at;
}

function decodeHeader(source: ByteSource, offsetBytes: number): NewcHeader {
  if (offsetBytes % CPIO_ALIGNMENT !== 0) fail(offsetBytes, "magic", `expected an offset aligned to ${CPIO_ALIGNMENT}`);
  const leftBytes = source.sizeBytes - offsetBytes;
  const header = NewcHeader.decode(source.read(offsetBytes, Math.min(leftBytes, NewcHeader.sizeBytes)));
  if (header.magic !== NEWC_MAGIC && header.magic !== NEWC_CRC_MAGIC) {
    fail(offsetBytes, "magic", `expected ${NEWC_MAGIC} or ${NEWC_CRC_MAGIC}, got ${JSON.stringify(header.magic)}`);
  }
  for (const [field, value] of Object.entries(header)) {
    if (Number.isNaN(value)) fail(offsetBytes, field as keyof NewcHeader, "expected eight hexadecimal digits");
  }
  return header;
}

function decodeName(source: ByteSource, offsetBytes: number, { nameSizeBytes }: NewcHeader): string {
  const startBytes = offsetBytes + NewcHeader.sizeBytes;
  const leftBytes = source.sizeBytes - startBytes;
  if (nameSizeBytes < 2 || nameSizeBytes > Math.min(PATH_MAX_BYTES, leftBytes)) {
    fail(offsetBytes, "nameSizeBytes", `expected 2 to ${Math.min(PATH_MAX_BYTES, leftBytes)}, got ${nameSizeBytes}`);
  }
  const bytes = source.read(startBytes, nameSizeBytes);
  if (bytes.indexOf(0) !== nameSizeBytes - 1)
    fail(offsetBytes, "nameSizeBytes", "expected a name with one NUL, at its end");
  return decodeArchiveText(bytes.subarray(0, -1), { record: "cpio", field: "name", offsetBytes: startBytes });
}

/**
 * The sum of the bytes, modulo 2^32. GNU cpio sums files only, and the kernel looks at no others.
 * @see cpio(5), "New CRC Format"
 */
function compareSum(data: ByteSource, header: NewcHeader, offsetBytes: number): void {
  let sum = 0;
  for (const chunk of chunksOf(data)) for (const byte of chunk) sum = (sum + byte) >>> 0;
  if (sum === header.check) return;
  throw new FormatError({ record: "cpio", offsetBytes }, `expected data with the sum ${header.check}, got ${sum}`);
}

function entryOf(parts: { header: NewcHeader; name: string; data: ByteSource; archive: number }): CpioEntry {
  const { header, name, data, archive } = parts;
  const kinds = Object.keys(MODE_TYPE) as (keyof typeof MODE_TYPE)[];
  const kind = kinds.find((candidate) => MODE_TYPE[candidate] === (header.mode & MODE_TYPE_MASK));
  if (!kind) throw new FormatError({ record: "cpio", field: "mode" }, `expected a known type of "${name}"`);
  if (data.sizeBytes > 0 && kind !== "file" && kind !== "symlink") {
    throw new FormatError({ record: "cpio", field: "sizeBytes" }, `expected no data in ${kind} "${name}"`);
  }
  return {
    name,
    kind,
    mode: header.mode & 0o7777,
    uid: header.uid,
    gid: header.gid,
    mtimeSec: header.mtimeSec,
    nlink: header.nlink,
    linkId: [archive, header.devmajor, header.devminor, header.ino, kind].join(":"),
    rdevmajor: header.rdevmajor,
    rdevminor: header.rdevminor,
    data,
  };
}

function fail(entryOffsetBytes: number, field: keyof NewcHeader, expectation: string): never {
  const offsetBytes = entryOffsetBytes + NewcHeader.offsetOf(field);
  throw new FormatError({ record: "NewcHeader", field, offsetBytes }, expectation);
}

const NO_DATA = bytesSource(new Uint8Array());
