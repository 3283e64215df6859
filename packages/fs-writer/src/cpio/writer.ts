import { alignUp, CvmError, paddingTo } from "@cvm-build/bytes";
import { PATH_MAX_BYTES } from "../archive-path.ts";
import { ContentReader } from "../content.ts";
import type { Content, TreeNode } from "../tree.ts";
import { CPIO_ALIGNMENT, MAX_HEX8, MODE_TYPE, NEWC_MAGIC, NewcHeader, TRAILER_NAME } from "./format.ts";

/** A path of a `FileTree` and its node. The same node under several paths is a hard link. */
export type PathAndNode = readonly [path: string, node: TreeNode];

/** What beside the entries determines an archive. */
export interface CpioOptions {
  /** No entry is newer than this: seconds since 1970. */
  mtimeClampSec: number;
}

/** One entry as it will be written. */
export interface CpioRecord {
  header: NewcHeader;
  /** UTF-8, without the final NUL. */
  name: Buffer;
  /** A file's data or a symbolic link's target. */
  data: Content | Buffer | undefined;
}

/** An extended attribute that the newc format cannot carry. */
export interface XattrLoss {
  path: string;
  xattr: string;
}

/**
 * Lays out entries in the order given, with inode numbers from 1 and the data of a hard link group at its last path,
 * where GNU cpio and the kernel look for them. Parents must come before children.
 * @throws CvmError `archive` where the format or the kernel's unpacker cannot take an entry
 */
export function layOutCpio(entries: Iterable<PathAndNode>, { mtimeClampSec }: CpioOptions): CpioRecord[] {
  const list = [...entries];
  const linksLeft = new Map<TreeNode, number>();
  for (const [, node] of list) if (canBeHardLinked(node)) linksLeft.set(node, (linksLeft.get(node) ?? 0) + 1);
  const groups = new Map<TreeNode, { ino: number; nlink: number }>();
  let lastIno = 0;
  return list.map(([path, node]) => {
    const left = linksLeft.get(node) ?? 1;
    const group = groups.get(node) ?? { ino: ++lastIno, nlink: node.kind === "directory" ? 2 : left };
    if (canBeHardLinked(node)) {
      groups.set(node, group);
      linksLeft.set(node, left - 1);
    }
    const mtimeSec = Math.max(0, Math.min(node.mtimeSec, mtimeClampSec));
    return layOutEntry([path, node], { ...group, mtimeSec, hasData: left === 1 });
  });
}

/** The size of the archive with those records and its trailer, uncompressed. */
export function cpioSizeBytes(records: readonly CpioRecord[]): number {
  const sizes = records.map(({ header }) => headerSizeBytes(header) + alignUp(header.sizeBytes, CPIO_ALIGNMENT));
  return sizes.reduce((sum, size) => sum + size, headerSizeBytes(TRAILER.header));
}

/**
 * The archive in pieces, its trailer last. File contents are compared with their digests on the way.
 * @throws FormatError where a content's place no longer holds its bytes
 */
export function* encodeCpio(records: readonly CpioRecord[]): Generator<Buffer> {
  using reader = new ContentReader();
  for (const record of records) {
    yield encodeHeader(record);
    if (record.header.sizeBytes === 0) continue;
    if (Buffer.isBuffer(record.data)) yield record.data;
    else if (record.data) yield* reader.chunks(record.data);
    const padding = paddingTo(record.header.sizeBytes, CPIO_ALIGNMENT);
    if (padding > 0) yield Buffer.alloc(padding);
  }
  yield encodeHeader(TRAILER);
}

/** What of the entries' extended attributes a cpio archive loses, in the entries' order. */
export function xattrLosses(entries: Iterable<PathAndNode>): XattrLoss[] {
  const losses: XattrLoss[] = [];
  for (const [path, { xattrs }] of entries) {
    for (const xattr of [...(xattrs?.keys() ?? [])].sort()) losses.push({ path, xattr });
  }
  return losses;
}

/** The kernel's unpacker and GNU cpio link files, devices and fifos; symbolic links are made one by one. */
function canBeHardLinked(node: TreeNode): boolean {
  return node.kind !== "directory" && node.kind !== "symlink";
}

interface Place {
  ino: number;
  nlink: number;
  mtimeSec: number;
  hasData: boolean;
}

function layOutEntry([path, node]: PathAndNode, { ino, nlink, mtimeSec, hasData }: Place): CpioRecord {
  const name = encodeName(path);
  const data = hasData ? dataOf(path, node) : undefined;
  const device = node.kind === "char" || node.kind === "block" ? node : { major: 0, minor: 0 };
  const header: NewcHeader = {
    magic: NEWC_MAGIC,
    ino,
    mode: MODE_TYPE[node.kind] | (node.kind === "symlink" ? 0o777 : node.mode),
    uid: node.uid,
    gid: node.gid,
    nlink,
    mtimeSec,
    sizeBytes: Buffer.isBuffer(data) ? data.length : (data?.sizeBytes ?? 0),
    devmajor: 0,
    devminor: 0,
    rdevmajor: device.major,
    rdevminor: device.minor,
    nameSizeBytes: name.length + 1,
    check: 0,
  };
  checkNumbers(path, header);
  return { header, name, data };
}

/** @see Linux, init/initramfs.c: names and targets of PATH_MAX bytes or more are skipped there without a word */
function encodeName(path: string): Buffer {
  const text = path === "/" ? "." : path.slice(1);
  const name = Buffer.from(text);
  const isPlain = path.startsWith("/") && text !== "" && text.isWellFormed() && !text.includes("\0");
  if (!isPlain || text === TRAILER_NAME) throw refusal(path, "entry", "a name that an archive can hold");
  if (name.length >= PATH_MAX_BYTES) {
    throw refusal(path, "entry", `a name shorter than ${PATH_MAX_BYTES} bytes`, `${name.length}`);
  }
  return name;
}

function dataOf(path: string, node: TreeNode): Content | Buffer | undefined {
  if (node.kind === "file") {
    if (node.content.sizeBytes <= MAX_HEX8) return node.content;
    throw refusal(path, "file", `at most ${MAX_HEX8} bytes`, `${node.content.sizeBytes}`, {
      hint: "an initramfs holds files below 4 GiB: put this one on a disk of the virtual machine",
    });
  }
  if (node.kind !== "symlink") return undefined;
  const target = Buffer.from(node.target);
  const isPlain = target.length > 0 && node.target.isWellFormed() && !node.target.includes("\0");
  if (isPlain && target.length < PATH_MAX_BYTES) return target;
  throw refusal(path, "symbolic link", `a target of 1 to ${PATH_MAX_BYTES - 1} bytes of text`, `${target.length}`);
}

function checkNumbers(path: string, header: NewcHeader): void {
  for (const field of ["mode", "uid", "gid", "mtimeSec", "rdevmajor", "rdevminor"] as const) {
    const value = header[field];
    if (Number.isInteger(value) && value >= 0 && value <= MAX_HEX8) continue;
    throw refusal(path, "entry", `${field} from 0 to ${MAX_HEX8}`, String(value));
  }
}

function refusal(
  path: string,
  what: string,
  expected: string,
  got?: string,
  { hint }: { hint?: string } = {},
): CvmError<"archive"> {
  const message = `cannot pack ${what} ${JSON.stringify(path)}: expected ${expected}${got === undefined ? "" : `, got ${got}`}`;
  return new CvmError("archive", message, { ...(hint === undefined ? {} : { hint }), details: { path } });
}

function headerSizeBytes(header: NewcHeader): number {
  return alignUp(NewcHeader.sizeBytes + header.nameSizeBytes, CPIO_ALIGNMENT);
}

/** The header and the name, padded. */
function encodeHeader({ header, name }: CpioRecord): Buffer {
  const bytes = Buffer.alloc(headerSizeBytes(header));
  NewcHeader.encode(header).copy(bytes);
  name.copy(bytes, NewcHeader.sizeBytes);
  return bytes;
}

const TRAILER: CpioRecord = {
  header: {
    magic: NEWC_MAGIC,
    ino: 0,
    mode: 0,
    uid: 0,
    gid: 0,
    nlink: 1,
    mtimeSec: 0,
    sizeBytes: 0,
    devmajor: 0,
    devminor: 0,
    rdevmajor: 0,
    rdevminor: 0,
    nameSizeBytes: TRAILER_NAME.length + 1,
    check: 0,
  },
  name: Buffer.from(TRAILER_NAME),
  data: undefined,
};
