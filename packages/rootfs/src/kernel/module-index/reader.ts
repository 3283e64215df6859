import { FormatError } from "@cvm-build/bytes";
import {
  CHARACTER_LIMIT,
  INDEX_MAGIC,
  INDEX_VERSION,
  type IndexEntry,
  IndexHeader,
  type IndexValue,
  NODE_HAS_CHILDREN,
  NODE_HAS_PREFIX,
  NODE_HAS_VALUES,
  NODE_OFFSET_MASK,
} from "./format.ts";

/** kmod's own limit on a key is `PATH_MAX`; a deeper tree than this is no index. */
const MAX_KEY_LENGTH = 4096;

/**
 * Every key and its values of a kmod binary index, keys in byte order.
 * @throws FormatError where the bytes are no such index, or its nodes overlap
 */
export function readModuleIndex(bytes: Buffer): IndexEntry[] {
  const header = IndexHeader.decode(bytes);
  if (header.magic !== INDEX_MAGIC) fail("magic", 0, "expected 0xb007f457");
  if (header.version !== INDEX_VERSION) fail("version", 4, "expected 0x00020001");
  const entries: IndexEntry[] = [];
  // Nodes are laid out once each, so that their sizes sum to the file: what is left bounds the walk.
  let budgetBytes = bytes.length - IndexHeader.sizeBytes;
  const walk = (reference: number, key: string): void => {
    const offset = reference & NODE_OFFSET_MASK;
    if (key.length > MAX_KEY_LENGTH) fail("node", offset, `expected a key of at most ${MAX_KEY_LENGTH} characters`);
    const node = readNode(bytes, reference);
    budgetBytes -= node.sizeBytes;
    if (budgetBytes < 0 || node.sizeBytes === 0) {
      if (reference === header.root && node.sizeBytes === 0) return;
      fail("node", offset, "expected nodes that do not overlap");
    }
    const whole = key + node.prefix;
    if (node.values.length > 0) entries.push({ key: whole, values: node.values });
    node.children.forEach((child, index) => {
      if (child !== 0) walk(child, whole + String.fromCharCode(node.first + index));
    });
  };
  walk(header.root, "");
  return entries;
}

interface ReadNode {
  prefix: string;
  first: number;
  children: number[];
  values: IndexValue[];
  sizeBytes: number;
}

function readNode(bytes: Buffer, reference: number): ReadNode {
  const start = reference & NODE_OFFSET_MASK;
  const node: ReadNode = { prefix: "", first: 0, children: [], values: [], sizeBytes: 0 };
  let at = start;
  if (reference & NODE_HAS_PREFIX) {
    node.prefix = readText(bytes, at);
    at += node.prefix.length + 1;
  }
  if (reference & NODE_HAS_CHILDREN) {
    need(bytes, at, 2);
    node.first = bytes.readUInt8(at);
    const last = bytes.readUInt8(at + 1);
    if (node.first > last || last >= CHARACTER_LIMIT) fail("children", at, "expected a range of 7-bit characters");
    const count = last - node.first + 1;
    need(bytes, at + 2, 4 * count);
    for (let index = 0; index < count; index++) node.children.push(bytes.readUInt32BE(at + 2 + 4 * index));
    at += 2 + 4 * count;
  }
  if (reference & NODE_HAS_VALUES) {
    need(bytes, at, 4);
    const count = bytes.readUInt32BE(at);
    at += 4;
    if (count > (bytes.length - at) / 5) fail("values", at - 4, `expected fewer than ${count} values`);
    for (let index = 0; index < count; index++) {
      need(bytes, at, 4);
      const value = readText(bytes, at + 4);
      node.values.push({ priority: bytes.readUInt32BE(at), value });
      at += 4 + value.length + 1;
    }
  }
  node.sizeBytes = at - start;
  return node;
}

function readText(bytes: Buffer, offset: number): string {
  const end = offset < bytes.length ? bytes.indexOf(0, offset) : -1;
  if (end < 0) fail("text", offset, "expected text that ends with NUL");
  return bytes.toString("latin1", offset, end);
}

function need(bytes: Buffer, offset: number, sizeBytes: number): void {
  if (offset + sizeBytes > bytes.length) fail("node", offset, `expected ${sizeBytes} more bytes`);
}

function fail(field: string, offsetBytes: number, expectation: string): never {
  throw new FormatError({ record: "ModuleIndex", field, offsetBytes }, expectation);
}
