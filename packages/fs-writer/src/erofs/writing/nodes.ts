import { MODE_TYPE } from "../../cpio/format.ts";
import { type FileTree, parentOf } from "../../file-tree.ts";
import type { TreeNode } from "../../tree.ts";
import {
  EROFS_LAYOUT,
  EROFS_NAME_MAX_BYTES,
  EROFS_NULL_BLOCK,
  ErofsInodeCompact,
  ErofsInodeExtended,
} from "../format.ts";
import { refusal } from "./refusal.ts";
import { XattrTable } from "./xattrs.ts";

const MAX_U16 = 0xffff;
const MAX_U32 = 0xffffffff;
const MAX_MODE = 0o7777;

/** A name in a directory. */
export interface NamedNode {
  name: string;
  /** How long it is as UTF-8. */
  nameSizeBytes: number;
  node: PlannedNode;
}

/** A node of the image; where it lies is filled in by the layout. */
export interface PlannedNode {
  /** The first of its paths. */
  path: string;
  node: TreeNode;
  parent: PlannedNode | undefined;
  /** What is in a directory, in byte order. */
  entries: NamedNode[];
  ino: number;
  linkCount: number;
  mtimeSec: number;
  sizeBytes: number;
  isExtended: boolean;
  xattrs: Buffer | undefined;
  nid: number;
  layout: (typeof EROFS_LAYOUT)[keyof typeof EROFS_LAYOUT];
  /** The inode's `union`. */
  union: number;
  /** What follows inode and attributes: the map of a compressed file, the blocks of chunks. */
  map: Buffer | undefined;
  /** What of the data comes last and lies in the inode's block. */
  tailSizeBytes: number;
}

/** All nodes of an image, each once, in the tree's order. The first is the root. */
export interface NodePlan {
  nodes: PlannedNode[];
  /** The time that most nodes have, which compact inodes need not hold. */
  epochSec: number;
  /** Extended attributes that are stored once for many nodes. */
  sharedXattrs: Buffer;
}

/**
 * Lists the nodes of a tree with what their inodes hold, but for their data.
 * @throws CvmError `archive` where erofs cannot hold a node
 */
export function planNodes(tree: FileTree, { mtimeClampSec }: { mtimeClampSec: number }): NodePlan {
  const nodes: PlannedNode[] = [];
  const linked = new Map<TreeNode, PlannedNode>();
  const directories = new Map<string, PlannedNode>();
  for (const [path, node] of tree.entries()) {
    const parent = path === "/" ? undefined : directories.get(parentOf(path));
    let planned = node.kind === "directory" ? undefined : linked.get(node);
    if (planned) planned.linkCount++;
    else {
      planned = planNode(path, node, { parent, ino: nodes.length + 1, mtimeClampSec });
      nodes.push(planned);
      if (node.kind === "directory") directories.set(path, planned);
      else linked.set(node, planned);
    }
    if (!parent) continue;
    parent.entries.push(nameOf(path, planned));
    if (node.kind === "directory") parent.linkCount++;
  }
  const epochSec = mostFrequent(nodes);
  const xattrs = new XattrTable(nodes);
  for (const planned of nodes) {
    planned.xattrs = xattrs.bodyOf(planned.path, planned.node);
    planned.isExtended = needsExtended(planned, epochSec);
  }
  return { nodes, epochSec, sharedXattrs: xattrs.shared };
}

/** Size of a node's inode and the attributes that follow it. */
export function inodeSizeBytes({ isExtended, xattrs }: PlannedNode): number {
  return (isExtended ? ErofsInodeExtended : ErofsInodeCompact).sizeBytes + (xattrs?.length ?? 0);
}

/** The permission and type bits of a node. */
export function modeOf(node: TreeNode): number {
  return MODE_TYPE[node.kind] | (node.kind === "symlink" ? 0o777 : node.mode);
}

function planNode(
  path: string,
  node: TreeNode,
  { parent, ino, mtimeClampSec }: { parent: PlannedNode | undefined; ino: number; mtimeClampSec: number },
): PlannedNode {
  const mtimeSec = Math.max(0, Math.min(node.mtimeSec, mtimeClampSec));
  if (!isWithin(node.uid, MAX_U32)) throw refusal(path, `a uid from 0 to ${MAX_U32}`, `${node.uid}`);
  if (!isWithin(node.gid, MAX_U32)) throw refusal(path, `a gid from 0 to ${MAX_U32}`, `${node.gid}`);
  if (!isWithin(node.mode, MAX_MODE)) throw refusal(path, `a mode from 0 to ${MAX_MODE}`, `${node.mode}`);
  if (!Number.isSafeInteger(mtimeSec)) throw refusal(path, "a time in whole seconds", `${mtimeSec}`);
  return {
    path,
    node,
    parent,
    entries: [],
    ino,
    linkCount: node.kind === "directory" ? 2 : 1,
    mtimeSec,
    isExtended: false,
    xattrs: undefined,
    nid: 0,
    sizeBytes: node.kind === "file" ? node.content.sizeBytes : 0,
    layout: EROFS_LAYOUT.flatPlain,
    union: EROFS_NULL_BLOCK,
    map: undefined,
    tailSizeBytes: 0,
  };
}

/** Directories and symbolic links never reach 4 GiB, so that a node's size is what its file has. */
function needsExtended({ node, sizeBytes, linkCount, mtimeSec }: PlannedNode, epochSec: number): boolean {
  const isLarge = node.uid > MAX_U16 || node.gid > MAX_U16 || linkCount > MAX_U16 || sizeBytes > MAX_U32;
  return isLarge || mtimeSec !== epochSec;
}

/** The latest of those that occur most often. */
function mostFrequent(nodes: readonly PlannedNode[]): number {
  const counts = new Map<number, number>();
  for (const { mtimeSec } of nodes) counts.set(mtimeSec, (counts.get(mtimeSec) ?? 0) + 1);
  const [most] = [...counts].sort(([timeA, countA], [timeB, countB]) => countB - countA || timeB - timeA);
  return most?.[0] ?? 0;
}

function nameOf(path: string, node: PlannedNode): NamedNode {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const nameSizeBytes = Buffer.byteLength(name);
  if (!name.isWellFormed()) throw refusal(path, "a name of Unicode text", "one half of a surrogate pair");
  if (nameSizeBytes <= EROFS_NAME_MAX_BYTES) return { name, nameSizeBytes, node };
  throw refusal(path, `a name of at most ${EROFS_NAME_MAX_BYTES} bytes`, String(nameSizeBytes));
}

function isWithin(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max;
}
