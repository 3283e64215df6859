import { compareUtf8 } from "../../file-tree.ts";
import { EROFS_BLOCK_BYTES, EROFS_FILE_TYPE, ErofsDirent } from "../format.ts";
import type { NamedNode, PlannedNode } from "./nodes.ts";

const DIRENT_BYTES = ErofsDirent.sizeBytes;
const NID = ErofsDirent.offsetOf("nid");
const NAME_OFFSET = ErofsDirent.offsetOf("nameOffset");
const FILE_TYPE = ErofsDirent.offsetOf("fileType");
const SELF = ".";
const PARENT = "..";

/** The size of a directory's data: whole blocks and what the last one uses. */
export function directorySizeBytes(directory: PlannedNode): number {
  const last = blocksOf(entriesOf(directory)).at(-1);
  return last ? last.startBytes + last.usedBytes : 0;
}

/** A directory's data, once every node has its number. */
export function encodeDirectory(directory: PlannedNode): Buffer {
  const entries = entriesOf(directory);
  const data = Buffer.alloc(directory.sizeBytes);
  for (const { first, end, startBytes } of blocksOf(entries)) {
    let nameOffset = (end - first) * DIRENT_BYTES;
    for (let index = first; index < end; index++) {
      const { name, nameSizeBytes, node } = entries[index] as NamedNode;
      const at = startBytes + (index - first) * DIRENT_BYTES;
      writeNid(data, at + NID, node.nid);
      data.writeUInt16LE(nameOffset, at + NAME_OFFSET);
      data.writeUInt8(EROFS_FILE_TYPE[node.node.kind], at + FILE_TYPE);
      data.write(name, startBytes + nameOffset);
      nameOffset += nameSizeBytes;
    }
  }
  return data;
}

interface DirectoryBlock {
  /** Index of its first entry, and of the one after its last. */
  first: number;
  end: number;
  startBytes: number;
  usedBytes: number;
}

/** Entries and their names fill a block as far as they fit. */
function blocksOf(entries: readonly NamedNode[]): DirectoryBlock[] {
  const blocks: DirectoryBlock[] = [];
  let block: DirectoryBlock = { first: 0, end: 0, startBytes: 0, usedBytes: 0 };
  for (const { nameSizeBytes } of entries) {
    const needBytes = DIRENT_BYTES + nameSizeBytes;
    if (block.usedBytes + needBytes > EROFS_BLOCK_BYTES) {
      blocks.push(block);
      const { end } = block;
      block = { first: end, end, startBytes: blocks.length * EROFS_BLOCK_BYTES, usedBytes: 0 };
    }
    block.usedBytes += needBytes;
    block.end++;
  }
  blocks.push(block);
  return blocks;
}

/** `.` and `..` stand among the names where their bytes put them: readers search by halves. */
function entriesOf(directory: PlannedNode): NamedNode[] {
  const entries = directory.entries.slice();
  insert(entries, { name: SELF, nameSizeBytes: SELF.length, node: directory });
  insert(entries, { name: PARENT, nameSizeBytes: PARENT.length, node: directory.parent ?? directory });
  return entries;
}

function insert(entries: NamedNode[], entry: NamedNode): void {
  const place = entries.findIndex(({ name }) => compareUtf8(name, entry.name) > 0);
  entries.splice(place < 0 ? entries.length : place, 0, entry);
}

/** Numbers of slots are exact in a double. */
function writeNid(bytes: Buffer, offset: number, nid: number): void {
  bytes.writeUInt32LE(nid % 2 ** 32, offset);
  bytes.writeUInt32LE(Math.floor(nid / 2 ** 32), offset + 4);
}
