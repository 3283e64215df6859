import { FormatError } from "@cvm-build/bytes";
import { MODE_TYPE, MODE_TYPE_MASK } from "../../cpio/format.ts";
import {
  EROFS_FORMAT_ALL,
  EROFS_FORMAT_EXTENDED,
  EROFS_FORMAT_LAYOUT_MASK,
  EROFS_FORMAT_LAYOUT_SHIFT,
  EROFS_LAYOUT,
  EROFS_SLOT_BYTES,
  EROFS_XATTR_UNIT_BYTES,
  type EROFS_FILE_TYPE,
  ErofsInodeCompact,
  ErofsInodeExtended,
  ErofsXattrBodyHeader,
} from "../format.ts";
import { safeNumber } from "./safe-number.ts";
import type { ErofsVolume } from "./superblock.ts";

/** What an inode is. */
export type ErofsKind = keyof typeof EROFS_FILE_TYPE;
/** How an inode's data is laid out. */
export type ErofsLayout = keyof typeof EROFS_LAYOUT;

/** An inode, decoded. */
export interface ErofsInode {
  nid: number;
  kind: ErofsKind;
  /** Permission bits with set-id and sticky bits. */
  mode: number;
  uid: number;
  gid: number;
  linkCount: number;
  sizeBytes: number;
  mtimeSec: number;
  mtimeNsec: number;
  layout: ErofsLayout;
  /** First block, device number or chunk format, by kind and layout. */
  union: number;
  /** Where in the image its attributes lie; none have size 0. */
  xattrs: { offsetBytes: number; sizeBytes: number };
  /** Where in the image what follows inode and attributes begins: inline data, chunk or cluster indexes. */
  endOffsetBytes: number;
}

const KINDS = new Map<number, ErofsKind>([
  ...Object.entries(MODE_TYPE).map(([kind, bits]) => [bits, kind as keyof typeof MODE_TYPE] as const),
  [0o140000, "socket"],
]);
const LAYOUTS = new Map<number, ErofsLayout>(
  Object.entries(EROFS_LAYOUT).map(([layout, number]) => [number, layout as ErofsLayout]),
);

/**
 * Reads the inode of that number.
 * @throws FormatError where there is none, or none that makes sense
 * @see Linux, fs/erofs/inode.c, erofs_read_inode
 */
export function readInode(volume: ErofsVolume, nid: number): ErofsInode {
  const offsetBytes = volume.metaOffsetBytes + nid * EROFS_SLOT_BYTES;
  const small = ErofsInodeCompact.decode(volume.source.read(offsetBytes, ErofsInodeCompact.sizeBytes));
  const isExtended = (small.format & EROFS_FORMAT_EXTENDED) !== 0;
  const record = isExtended ? ErofsInodeExtended : ErofsInodeCompact;
  const place = { record: record.recordName, offsetBytes };
  const kind = KINDS.get(small.mode & MODE_TYPE_MASK);
  if (!kind) throw new FormatError({ ...place, field: "mode" }, `expected a type, got 0o${small.mode.toString(8)}`);
  const layout = LAYOUTS.get((small.format >> EROFS_FORMAT_LAYOUT_SHIFT) & EROFS_FORMAT_LAYOUT_MASK);
  if (!layout || (small.format & ~EROFS_FORMAT_ALL) !== 0) {
    throw new FormatError({ ...place, field: "format" }, `expected a known format, got 0x${small.format.toString(16)}`);
  }
  const xattrs = { offsetBytes: offsetBytes + record.sizeBytes, sizeBytes: xattrSizeBytes(small.xattrCount) };
  return {
    nid,
    kind,
    mode: small.mode & ~MODE_TYPE_MASK,
    layout,
    union: small.union,
    xattrs,
    endOffsetBytes: xattrs.offsetBytes + xattrs.sizeBytes,
    ...(isExtended ? ownAttributes(volume, offsetBytes) : sharedAttributes(volume, small)),
  };
}

type Attributes = Pick<ErofsInode, "uid" | "gid" | "linkCount" | "sizeBytes" | "mtimeSec" | "mtimeNsec">;

function ownAttributes({ source }: ErofsVolume, offsetBytes: number): Attributes {
  const inode = ErofsInodeExtended.decode(source.read(offsetBytes, ErofsInodeExtended.sizeBytes));
  const { uid, gid, linkCount, mtimeNsec } = inode;
  const place = { record: ErofsInodeExtended.recordName, offsetBytes };
  const sizeBytes = safeNumber(inode.sizeBytes, { ...place, field: "sizeBytes" });
  const mtimeSec = safeNumber(BigInt.asIntN(64, inode.mtimeSec), { ...place, field: "mtimeSec" });
  return { uid, gid, linkCount, sizeBytes, mtimeSec, mtimeNsec };
}

/** Compact inodes count their time from that of the image; older writers leave the number zero. */
function sharedAttributes({ epoch }: ErofsVolume, inode: ErofsInodeCompact): Attributes {
  const { uid, gid, linkCount, sizeBytes } = inode;
  return { uid, gid, linkCount, sizeBytes, mtimeSec: epoch.sec + inode.reserved, mtimeNsec: epoch.nsec };
}

function xattrSizeBytes(xattrCount: number): number {
  return xattrCount === 0 ? 0 : ErofsXattrBodyHeader.sizeBytes + (xattrCount - 1) * EROFS_XATTR_UNIT_BYTES;
}

/**
 * The device number of a device inode.
 * @see Linux, include/linux/kdev_t.h, new_decode_dev
 */
export function deviceOf({ union }: ErofsInode): { major: number; minor: number } {
  return { major: (union & 0xfff00) >> 8, minor: (union & 0xff) | ((union >>> 12) & 0xfff00) };
}
