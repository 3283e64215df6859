import { assert } from "@cvm-build/bytes";
import {
  CHARACTER_LIMIT,
  INDEX_MAGIC,
  INDEX_VERSION,
  IndexHeader,
  type IndexValue,
  NODE_HAS_CHILDREN,
  NODE_HAS_PREFIX,
  NODE_HAS_VALUES,
  NODE_OFFSET_MASK,
} from "./format.ts";

/** A node of the radix tree: what is left of the key, then values, then children by their first character. */
interface Node {
  prefix: string;
  values: IndexValue[];
  children: Map<number, Node>;
}

/** Gathers keys and values and lays them out as kmod's binary index. */
export class ModuleIndexWriter {
  readonly #root: Node = { prefix: "", values: [], children: new Map() };

  /**
   * Adds a value under a key. Values of one key are ordered by priority, those of equal priority last added first.
   * @throws Error where key or value is not 7-bit ASCII without NUL (callers check foreign text first)
   */
  add(key: string, value: IndexValue): void {
    assert(isIndexable(key) && isIndexable(value.value), `module index: ${JSON.stringify(key)} is not 7-bit ASCII`);
    let node = this.#root;
    let at = 0;
    for (;;) {
      at += splitAt(node, key, at);
      if (at === key.length) break;
      const character = key.charCodeAt(at);
      const child = node.children.get(character);
      if (!child) {
        node.children.set(character, { prefix: key.slice(at + 1), values: [value], children: new Map() });
        return;
      }
      node = child;
      at += 1;
    }
    const place = node.values.findIndex((other) => other.priority >= value.priority);
    node.values.splice(place < 0 ? node.values.length : place, 0, value);
  }

  /** The index as kmod reads it: big-endian, nodes in pre-order. */
  encode(): Buffer {
    const sizes = new Map<Node, number>();
    const totalBytes = IndexHeader.sizeBytes + measure(this.#root, sizes);
    assert(totalBytes <= NODE_OFFSET_MASK, `module index: ${totalBytes} bytes do not fit 28-bit offsets`);
    const bytes = Buffer.alloc(totalBytes);
    const root = flagsOf(this.#root) + IndexHeader.sizeBytes;
    IndexHeader.encode({ magic: INDEX_MAGIC, version: INDEX_VERSION, root }).copy(bytes);
    writeNode(bytes, this.#root, { offset: IndexHeader.sizeBytes, sizes });
    return bytes;
  }
}

/** Says whether kmod's index can hold `text`: 7-bit ASCII without NUL. */
export function isIndexable(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0 || code >= CHARACTER_LIMIT) return false;
  }
  return true;
}

/** Makes the node's prefix a prefix of `key` from `at` on, splitting the node if need be; returns its length. */
function splitAt(node: Node, key: string, at: number): number {
  const { prefix } = node;
  let common = 0;
  while (common < prefix.length && prefix[common] === key[at + common]) common += 1;
  if (common < prefix.length) {
    const rest: Node = { prefix: prefix.slice(common + 1), values: node.values, children: node.children };
    node.prefix = prefix.slice(0, common);
    node.values = [];
    node.children = new Map([[prefix.charCodeAt(common), rest]]);
  }
  return common;
}

/** First and last character that a node has children for. */
function rangeOf(node: Node): { first: number; last: number } {
  const characters = [...node.children.keys()];
  return { first: Math.min(...characters), last: Math.max(...characters) };
}

function flagsOf(node: Node): number {
  return (
    (node.prefix === "" ? 0 : NODE_HAS_PREFIX) +
    (node.values.length === 0 ? 0 : NODE_HAS_VALUES) +
    (node.children.size === 0 ? 0 : NODE_HAS_CHILDREN)
  );
}

/** Bytes of the node itself. */
function ownSize(node: Node): number {
  let sizeBytes = node.prefix === "" ? 0 : node.prefix.length + 1;
  if (node.children.size > 0) {
    const { first, last } = rangeOf(node);
    sizeBytes += 2 + 4 * (last - first + 1);
  }
  if (node.values.length > 0) sizeBytes += 4;
  for (const { value } of node.values) sizeBytes += 4 + value.length + 1;
  return sizeBytes;
}

/** Bytes of the node and all below it, remembered in `sizes`. */
function measure(node: Node, sizes: Map<Node, number>): number {
  let total = ownSize(node);
  for (const child of node.children.values()) total += measure(child, sizes);
  sizes.set(node, total);
  return total;
}

function writeNode(bytes: Buffer, node: Node, { offset, sizes }: { offset: number; sizes: Map<Node, number> }): void {
  let at = offset;
  if (node.prefix !== "") at = writeString(bytes, node.prefix, at);
  let childOffset = offset + ownSize(node);
  const children: { child: Node; offset: number }[] = [];
  if (node.children.size > 0) {
    const { first, last } = rangeOf(node);
    assert(last < CHARACTER_LIMIT, "module index: child beyond 7-bit ASCII");
    at = bytes.writeUInt8(first, at);
    at = bytes.writeUInt8(last, at);
    for (let character = first; character <= last; character++) {
      const child = node.children.get(character);
      at = bytes.writeUInt32BE(child ? flagsOf(child) + childOffset : 0, at);
      if (!child) continue;
      children.push({ child, offset: childOffset });
      childOffset += sizes.get(child) ?? 0;
    }
  }
  if (node.values.length > 0) {
    at = bytes.writeUInt32BE(node.values.length, at);
    for (const { priority, value } of node.values) {
      at = bytes.writeUInt32BE(priority, at);
      at = writeString(bytes, value, at);
    }
  }
  for (const { child, offset: below } of children) writeNode(bytes, child, { offset: below, sizes });
}

function writeString(bytes: Buffer, text: string, offset: number): number {
  return offset + bytes.write(text, offset, "latin1") + 1;
}
