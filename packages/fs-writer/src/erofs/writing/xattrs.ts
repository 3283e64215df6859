import { alignUp } from "@cvm-build/bytes";
import type { TreeNode } from "../../tree.ts";
import { EROFS_XATTR_PREFIXES, EROFS_XATTR_UNIT_BYTES, ErofsXattrBodyHeader, ErofsXattrEntry } from "../format.ts";
import { refusal } from "./refusal.ts";

/** From how many nodes on an attribute with the same value is stored once, beside all inodes. */
const MIN_SHARED = 3;
/** How many shared attributes an inode's count can hold. */
const MAX_SHARED_OF_NODE = 0xff;
const MAX_NAME_BYTES = 0xff;
const MAX_VALUE_BYTES = 0xffff;
/** Units of 4 bytes behind the body's header that an inode can tell. */
const MAX_UNITS = 0xffff - 1;

const PREFIXES = Object.entries(EROFS_XATTR_PREFIXES).map(([index, prefix]) => ({ index: Number(index), prefix }));

/** The extended attributes of all nodes: what is shared, and what follows each inode. */
export class XattrTable {
  readonly #entries = new Map<TreeNode, Buffer[]>();
  /** Offset in `shared` by encoded entry. */
  readonly #offsets = new Map<string, number>();
  /** The shared attributes one after the other; empty where there are none. */
  readonly shared: Buffer;

  /**
   * @param nodes every node once, with a path for messages
   * @throws CvmError `archive` for a name or value that erofs cannot hold
   */
  constructor(nodes: readonly { path: string; node: TreeNode }[]) {
    const counts = new Map<string, number>();
    for (const { path, node } of nodes) {
      if (!node.xattrs?.size) continue;
      const entries = encodeEntries(path, node.xattrs);
      this.#entries.set(node, entries);
      for (const entry of entries) counts.set(keyOf(entry), (counts.get(keyOf(entry)) ?? 0) + 1);
    }
    const shared = [...counts].filter(([, count]) => count >= MIN_SHARED).map(([key]) => Buffer.from(key, "latin1"));
    shared.sort(Buffer.compare);
    let offset = 0;
    for (const entry of shared) {
      this.#offsets.set(keyOf(entry), offset);
      offset += entry.length;
    }
    this.shared = Buffer.concat(shared);
  }

  /**
   * What follows the inode of `node`: a header, the numbers of shared attributes, the others.
   * @throws CvmError `archive` where there are more than an inode can tell
   */
  bodyOf(path: string, node: TreeNode): Buffer | undefined {
    const entries = this.#entries.get(node);
    if (!entries) return undefined;
    const numbers: Buffer[] = [];
    const inline: Buffer[] = [];
    for (const entry of entries) {
      const offset = this.#offsets.get(keyOf(entry));
      if (offset === undefined || numbers.length === MAX_SHARED_OF_NODE) inline.push(entry);
      else numbers.push(encodeUnit(offset / EROFS_XATTR_UNIT_BYTES));
    }
    const header = ErofsXattrBodyHeader.encode({
      nameFilter: 0,
      sharedCount: numbers.length,
      reserved: Buffer.alloc(7),
    });
    const body = Buffer.concat([header, ...numbers, ...inline]);
    const limit = header.length + MAX_UNITS * EROFS_XATTR_UNIT_BYTES;
    if (body.length <= limit) return body;
    throw refusal(path, `at most ${limit} bytes of extended attributes`, String(body.length));
  }
}

/** What an inode's `xattrCount` is for a body: the header counts as one. */
export function xattrCountOf(body: Buffer | undefined): number {
  if (!body) return 0;
  return 1 + (body.length - ErofsXattrBodyHeader.sizeBytes) / EROFS_XATTR_UNIT_BYTES;
}

/** Sorted by prefix, then name. */
function encodeEntries(path: string, xattrs: ReadonlyMap<string, Uint8Array>): Buffer[] {
  const named = [...xattrs].map(([name, value]) => ({ ...splitName(path, name), value }));
  named.sort((a, b) => a.index - b.index || Buffer.compare(a.name, b.name));
  return named.map(({ index, name, value }) => {
    if (value.byteLength > MAX_VALUE_BYTES) {
      throw refusal(path, `extended attributes of at most ${MAX_VALUE_BYTES} bytes`, String(value.byteLength));
    }
    const header = ErofsXattrEntry.encode({
      nameSizeBytes: name.length,
      nameIndex: index,
      valueSizeBytes: value.byteLength,
    });
    const sizeBytes = header.length + name.length + value.byteLength;
    return Buffer.concat([header, name, value], alignUp(sizeBytes, EROFS_XATTR_UNIT_BYTES));
  });
}

/** The number of a name's prefix and the rest of the name. */
function splitName(path: string, fullName: string): { index: number; name: Buffer } {
  for (const { index, prefix } of PREFIXES) {
    const isPrefix = prefix.endsWith(".");
    if (isPrefix ? !fullName.startsWith(prefix) || fullName === prefix : fullName !== prefix) continue;
    const name = Buffer.from(fullName.slice(prefix.length));
    if (name.length <= MAX_NAME_BYTES && !name.includes(0)) return { index, name };
  }
  const prefixes = PREFIXES.map(({ prefix }) => prefix).join(", ");
  throw refusal(path, `an extended attribute below ${prefixes}`, JSON.stringify(fullName));
}

function keyOf(entry: Buffer): string {
  return entry.toString("latin1");
}

function encodeUnit(value: number): Buffer {
  const bytes = Buffer.alloc(EROFS_XATTR_UNIT_BYTES);
  bytes.writeUInt32LE(value);
  return bytes;
}
