import { alignUp } from "@cvm-build/bytes";
import type { TreeNode } from "../../tree.ts";
import {
  EROFS_FORMAT_EXTENDED,
  EROFS_FORMAT_LAYOUT_SHIFT,
  EROFS_LAYOUT,
  EROFS_SLOT_BYTES,
  ErofsInodeCompact,
  ErofsInodeExtended,
} from "../format.ts";
import { inodeSizeBytes, modeOf, type PlannedNode } from "./nodes.ts";
import { refusal } from "./refusal.ts";
import { xattrCountOf } from "./xattrs.ts";

const NOTHING = Buffer.alloc(16);
const MAX_MAJOR = 0xfff;
const MAX_MINOR = 0xfffff;
/** Where the map of a compressed file begins; blocks of chunks follow at once. */
const CLUSTER_MAP_ALIGNMENT = 8;

/** Where a node's map lies, from the start of its inode. */
export function mapOffsetBytes(planned: PlannedNode): number {
  const isChunked = planned.layout === EROFS_LAYOUT.chunkBased;
  return isChunked ? inodeSizeBytes(planned) : alignUp(inodeSizeBytes(planned), CLUSTER_MAP_ALIGNMENT);
}

/** Puts inode, attributes and map of a node into the metadata, and says where its tail belongs. */
export function putInode(planned: PlannedNode, metadata: Buffer, firstSlot: number): number {
  const at = (planned.nid - firstSlot) * EROFS_SLOT_BYTES;
  const { xattrs, map } = planned;
  const end = planned.isExtended ? putExtended(planned, metadata, at) : putCompact(planned, metadata, at);
  xattrs?.copy(metadata, end);
  map?.copy(metadata, at + mapOffsetBytes(planned));
  return end + (xattrs?.length ?? 0);
}

/**
 * A device's number as inodes hold it.
 * @throws CvmError `archive` where it does not fit
 * @see Linux, include/linux/kdev_t.h, new_encode_dev
 */
export function deviceNumber(path: string, node: TreeNode): number {
  if (node.kind !== "char" && node.kind !== "block") return 0;
  const { major, minor } = node;
  const fits = (value: number, max: number): boolean => Number.isInteger(value) && value >= 0 && value <= max;
  if (!fits(major, MAX_MAJOR) || !fits(minor, MAX_MINOR)) {
    throw refusal(path, `a device number up to ${MAX_MAJOR}:${MAX_MINOR}`, `${major}:${minor}`);
  }
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

function putCompact(planned: PlannedNode, metadata: Buffer, at: number): number {
  ErofsInodeCompact.encodeInto(metadata, at, {
    format: planned.layout << EROFS_FORMAT_LAYOUT_SHIFT,
    xattrCount: xattrCountOf(planned.xattrs),
    mode: modeOf(planned.node),
    linkCount: planned.linkCount,
    sizeBytes: planned.sizeBytes,
    reserved: 0,
    union: planned.union,
    ino: planned.ino,
    uid: planned.node.uid,
    gid: planned.node.gid,
    reserved2: 0,
  });
  return at + ErofsInodeCompact.sizeBytes;
}

function putExtended(planned: PlannedNode, metadata: Buffer, at: number): number {
  ErofsInodeExtended.encodeInto(metadata, at, {
    format: EROFS_FORMAT_EXTENDED | (planned.layout << EROFS_FORMAT_LAYOUT_SHIFT),
    xattrCount: xattrCountOf(planned.xattrs),
    mode: modeOf(planned.node),
    reserved: 0,
    sizeBytes: BigInt(planned.sizeBytes),
    union: planned.union,
    ino: planned.ino,
    uid: planned.node.uid,
    gid: planned.node.gid,
    mtimeSec: BigInt(planned.mtimeSec),
    mtimeNsec: 0,
    linkCount: planned.linkCount,
    reserved2: NOTHING,
  });
  return at + ErofsInodeExtended.sizeBytes;
}
