import { EROFS_BLOCK_BYTES, EROFS_FILE_TYPE, ErofsDirent } from "../format.ts";
import type { NamedNode, PlannedNode } from "./nodes.ts";

const DIRENT_BYTES = ErofsDirent.sizeBytes;
const NID = ErofsDirent.offsetOf("nid");
const NAME_OFFSET = ErofsDirent.offsetOf("nameOffset");
const FILE_TYPE = ErofsDirent.offsetOf("fileType");
const SELF = Buffer.from(".");
const PARENT = Buffer.from("..");

/** The size of a directory's data: whole blocks and what the last one uses. */
export function directorySizeBytes(directory: PlannedNode): number {
  let sizeBytes = 0;
  for (const { startBytes, usedBytes } of blocksOf(entriesOf(directory))) sizeBytes = startBytes + usedBytes;
  return sizeBytes;
}

/** A directory's data, once every node has its number. */
export function encodeDirectory(directory: PlannedNode): Buffer {
  const entries = entriesOf(directory);
  const data = Buffer.alloc(directory.sizeBytes);
  for (const { first, end, startBytes } of blocksOf(entries)) {
    let nameOffset = (end - first) * DIRENT_BYTES;
    for (let index = first; index < end; index++) {
      const { name, node } = entries[index] as NamedNode;
      const at = startBytes + (index - first) * DIRENT_BYTES;
      writeNid(data, at + NID, node.nid);
      data.writeUInt16LE(nameOffset, at + NAME_OFFSET);
      data.writeUInt8(EROFS_FILE_TYPE[node.node.kind], at + FILE_TYPE);
      name.copy(data, startBytes + nameOffset);
      nameOffset += name.length;
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
function* blocksOf(entries: readonly NamedNode[]): Generator<DirectoryBlock> {
  let first = 0;
  let usedBytes = 0;
  let startBytes = 0;
  for (const [index, { name }] of entries.entries()) {
    const needBytes = DIRENT_BYTES + name.length;
    if (usedBytes + needBytes > EROFS_BLOCK_BYTES) {
      yield { first, end: index, startBytes, usedBytes };
      first = index;
      usedBytes = 0;
      startBytes += EROFS_BLOCK_BYTES;
    }
    usedBytes += needBytes;
  }
  yield { first, end: entries.length, startBytes, usedBytes };
}

/** `.` and `..` stand among the names where their bytes put them: readers search by halves. */
function entriesOf(directory: PlannedNode): NamedNode[] {
  const dots = [
    { name: SELF, node: directory },
    { name: PARENT, node: directory.parent ?? directory },
  ];
  const { entries } = directory;
  let before = 0;
  while (before < entries.length && isBefore(entries[before], SELF)) before++;
  let between = before;
  while (between < entries.length && isBefore(entries[between], PARENT)) between++;
  return [
    ...entries.slice(0, before),
    ...dots.slice(0, 1),
    ...entries.slice(before, between),
    ...dots.slice(1),
    ...entries.slice(between),
  ];
}

function isBefore(entry: NamedNode | undefined, name: Buffer): boolean {
  return entry !== undefined && Buffer.compare(entry.name, name) < 0;
}

/** Numbers of slots are exact in a double. */
function writeNid(bytes: Buffer, offset: number, nid: number): void {
  bytes.writeUInt32LE(nid % 2 ** 32, offset);
  bytes.writeUInt32LE(Math.floor(nid / 2 ** 32), offset + 4);
}
