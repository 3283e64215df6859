import { bytesSource } from "@cvm-build/bytes";
import { type ErofsImage, type ErofsInode, openErofs, walkErofs } from "@cvm-build/fs-writer";
import {
  EROFS_SLOT_BYTES,
  EROFS_SUPER_OFFSET,
  ErofsDirent,
  ErofsInodeCompact,
  ErofsInodeExtended,
  ErofsMapHeader,
  ErofsSuperblock,
} from "../../packages/fs-writer/src/erofs/format.ts";
import { fixChecksum } from "../../packages/fs-writer/src/erofs/patch.fixture.ts";
import { numbers } from "./erofs-source.ts";

/** A number of an image, little-endian. */
export interface Field {
  offsetBytes: number;
  /** 1, 2, 4 or 8. */
  sizeBytes: number;
}

/** How much of a cluster map, and of what clusters hold, is taken for fields. */
const MAP_BYTES = 96;
const CLUSTER_BYTES = 64;

/** A record of the format, as far as its fields' places go. */
interface Layout {
  readonly sizeBytes: number;
  offsetOf(field: never): number;
  decode(bytes: Uint8Array, offsetBytes?: number): object;
}

/** The numbers of an image on which its reading depends. */
export function fieldsOf(bytes: Buffer): Field[] {
  const image = openErofs(bytesSource(bytes));
  const fields = recordFields(ErofsSuperblock, bytes, EROFS_SUPER_OFFSET);
  fields.push(...words(EROFS_SUPER_OFFSET + ErofsSuperblock.sizeBytes, { count: 12, sizeBytes: 2 }));
  const { metaBlock } = ErofsSuperblock.decode(bytes, EROFS_SUPER_OFFSET);
  const seen = new Set<number>();
  for (const { inode } of walkErofs(image)) {
    if (seen.has(inode.nid)) continue;
    seen.add(inode.nid);
    const offsetBytes = metaBlock * image.facts.blockBytes + inode.nid * EROFS_SLOT_BYTES;
    const isExtended = inode.xattrs.offsetBytes - offsetBytes > ErofsInodeCompact.sizeBytes;
    fields.push(...recordFields(isExtended ? ErofsInodeExtended : ErofsInodeCompact, bytes, offsetBytes));
    fields.push(...words(inode.xattrs.offsetBytes, { count: inode.xattrs.sizeBytes, sizeBytes: 1 }));
    fields.push(...dataFields(image, inode, bytes));
  }
  return fields.filter((field) => field.offsetBytes + field.sizeBytes <= bytes.length);
}

function dataFields(image: ErofsImage, inode: ErofsInode, bytes: Buffer): Field[] {
  const fields: Field[] = [];
  if (inode.layout === "chunkBased") fields.push(...words(inode.endOffsetBytes, { count: 12, sizeBytes: 4 }));
  if (inode.layout === "compressedCompact" || inode.layout === "compressedFull") {
    const start = Math.ceil(inode.endOffsetBytes / 8) * 8;
    fields.push(...recordFields(ErofsMapHeader, bytes, start));
    fields.push(...words(start + ErofsMapHeader.sizeBytes, { count: MAP_BYTES / 2, sizeBytes: 2 }));
  }
  if (inode.kind !== "file" && inode.kind !== "directory" && inode.kind !== "symlink") return fields;
  for (const run of image.runs(inode)) {
    if (run.kind === "stored" && inode.kind === "directory") {
      fields.push(...directoryFields(bytes, run.physicalOffsetBytes, run.sizeBytes));
    } else if (run.kind === "stored" && inode.kind === "symlink") {
      fields.push(...words(run.physicalOffsetBytes, { count: run.sizeBytes, sizeBytes: 1 }));
    } else if (run.kind === "cluster") {
      // What is compressed ends with the cluster.
      const start = run.physicalOffsetBytes + Math.max(run.physicalSizeBytes - CLUSTER_BYTES, 0);
      fields.push(...words(start, { count: CLUSTER_BYTES, sizeBytes: 1 }));
      fields.push(...words(run.physicalOffsetBytes, { count: CLUSTER_BYTES, sizeBytes: 1 }));
    }
  }
  return fields;
}

function directoryFields(bytes: Buffer, offsetBytes: number, sizeBytes: number): Field[] {
  const { nameOffset } = ErofsDirent.decode(bytes, offsetBytes);
  const fields = words(offsetBytes + nameOffset, { count: Math.max(sizeBytes - nameOffset, 0), sizeBytes: 1 });
  for (let at = 0; at < Math.min(nameOffset, sizeBytes); at += ErofsDirent.sizeBytes) {
    fields.push(...recordFields(ErofsDirent, bytes, offsetBytes + at));
  }
  return fields;
}

/** The fields of a record, cut into numbers. */
function recordFields(layout: Layout, bytes: Buffer, offsetBytes: number): Field[] {
  const starts = Object.keys(layout.decode(bytes, offsetBytes)).map((name) => layout.offsetOf(name as never));
  return starts.flatMap((start, index) => {
    const sizeBytes = (starts[index + 1] ?? layout.sizeBytes) - start;
    const isNumber = [1, 2, 4, 8].includes(sizeBytes);
    const place = offsetBytes + start;
    return isNumber ? [{ offsetBytes: place, sizeBytes }] : words(place, { count: sizeBytes, sizeBytes: 1 });
  });
}

function words(offsetBytes: number, { count, sizeBytes }: { count: number; sizeBytes: number }): Field[] {
  return Array.from({ length: count }, (_, index) => ({ offsetBytes: offsetBytes + index * sizeBytes, sizeBytes }));
}

/**
 * A copy of an image with some of its numbers changed, by `seed`. In every second one the superblock's checksum is right,
 * so that reading gets further.
 */
export function mutate(original: Buffer, fields: readonly Field[], seed: number): Buffer {
  const random = numbers(Math.imul(seed + 1, 0x9e37_79b1));
  const below = (count: number): number => (random.next().value * 2 ** 16 + random.next().value) % count;
  let bytes: Buffer = Buffer.from(original);
  for (let left = 1 + below(3); left > 0; left--) {
    const field = fields[below(fields.length)] as Field;
    const { offsetBytes, sizeBytes } = field;
    const other = fields[below(fields.length)] as Field;
    const largest = 2n ** BigInt(8 * sizeBytes) - 1n;
    const now = numberAt(bytes, field);
    const candidates = [
      () => BigInt(below(256)),
      () => [0n, 1n, 2n, largest, largest - 1n, largest >> 1n, (largest >> 1n) + 1n][below(7)] as bigint,
      () => now + BigInt(below(9) - 4),
      () => now ^ (1n << BigInt(below(8 * sizeBytes))),
      () => numberAt(bytes, { ...other, sizeBytes: Math.min(sizeBytes, original.length - other.offsetBytes) as 1 }),
      () => BigInt(below(original.length)),
      () => BigInt(below(64)) * 0x1_0001n,
    ];
    const value = (candidates[below(candidates.length)] as () => bigint)() & largest;
    for (let at = 0; at < sizeBytes; at++) bytes[offsetBytes + at] = Number((value >> BigInt(8 * at)) & 0xffn);
  }
  if (below(50) === 0) bytes = bytes.subarray(0, below(bytes.length));
  if (below(50) === 0) bytes.copyWithin(below(bytes.length), below(bytes.length), below(bytes.length));
  if (below(2) === 0) fixChecksum(bytes);
  return bytes;
}

function numberAt(bytes: Buffer, { offsetBytes, sizeBytes }: Field): bigint {
  let value = 0n;
  for (let at = sizeBytes - 1; at >= 0; at--) value = (value << 8n) | BigInt(bytes[offsetBytes + at] ?? 0);
  return value;
}
