import { createHash } from "node:crypto";
import { compareCodeUnits, finishSha256, type Sha256Hex } from "@cvm-build/bytes";
import { type Compression, compressorIdentity } from "../compression/compress.ts";
import type { PathAndNode } from "../cpio/writer.ts";
import type { FileTree } from "../file-tree.ts";
import type { Origin, TreeNode } from "../tree.ts";
import { SEGMENT_FORMAT_VERSION } from "./segment.ts";

/** One segment to be: its entries in tree order. */
export interface SegmentPlan {
  origin: Origin | "directories";
  key: Sha256Hex;
  entries: PathAndNode[];
  /** About how much there is to compress. */
  weightBytes: number;
}

/** What beside the entries determines a segment's bytes. */
export interface SegmentSettings {
  compression: Compression;
  mtimeClampSec: number;
}

/** Packages first, since they hardly ever change; the order of the kinds has no other meaning. */
const KIND_ORDER: Record<Origin["kind"], number> = { package: 0, artifact: 1, extra: 2, finisher: 3, service: 4 };

/**
 * Cuts a tree into segments: all directories, then the rest by origin. All paths of a hard link are in the segment of its
 * first path, since the kernel forgets links at the end of an archive.
 */
export function planSegments(tree: FileTree, settings: SegmentSettings): SegmentPlan[] {
  const directories: PathAndNode[] = [];
  const groups = new Map<string, { origin: Origin; entries: PathAndNode[] }>();
  const homes = new Map<TreeNode, PathAndNode[]>();
  for (const [path, node] of tree.entries()) {
    if (node.kind === "directory") {
      directories.push([path, node]);
      continue;
    }
    const entries = homes.get(node) ?? entriesOf(groups, node.origin);
    homes.set(node, entries);
    entries.push([path, node]);
  }
  const byOrigin = [...groups.values()].sort((a, b) => compareOrigins(a.origin, b.origin));
  return [{ origin: "directories" as const, entries: directories }, ...byOrigin].map(({ origin, entries }) => ({
    origin,
    entries,
    key: segmentKey(entries, settings),
    weightBytes: entries.reduce((sum, [, node]) => sum + (node.kind === "file" ? node.content.sizeBytes : 0), 0),
  }));
}

function entriesOf(groups: Map<string, { origin: Origin; entries: PathAndNode[] }>, origin: Origin): PathAndNode[] {
  const id = `${origin.kind}:${origin.name}`;
  const group = groups.get(id) ?? { origin: { kind: origin.kind, name: origin.name }, entries: [] };
  groups.set(id, group);
  return group.entries;
}

/**
 * By kind and name; extra trees, whose names are places on this machine, stay in the order of their first paths in the
 * image.
 */
function compareOrigins(a: Origin, b: Origin): number {
  if (a.kind === "extra" && b.kind === "extra") return 0;
  return KIND_ORDER[a.kind] - KIND_ORDER[b.kind] || compareCodeUnits(a.name, b.name);
}

/**
 * Digest of all that determines the segment's bytes. Whose entries they are does not: equal entries are one object in
 * the cache.
 */
function segmentKey(entries: readonly PathAndNode[], { compression, mtimeClampSec }: SegmentSettings): Sha256Hex {
  const hash = createHash("sha256");
  const level = compression.algorithm === "none" ? 0 : compression.level;
  hash.update(JSON.stringify([SEGMENT_FORMAT_VERSION, compressorIdentity(compression), level, mtimeClampSec]));
  const firstPaths = new Map<TreeNode, string>();
  for (const [path, node] of entries) {
    const link = firstPaths.get(node);
    if (link === undefined) firstPaths.set(node, path);
    const mtimeSec = Math.min(node.mtimeSec, mtimeClampSec);
    const { kind, mode, uid, gid } = node;
    hash.update(`\n${JSON.stringify([path, kind, mode, uid, gid, mtimeSec, link ?? null, ...particulars(node)])}`);
  }
  return finishSha256(hash);
}

function particulars(node: TreeNode): (string | number)[] {
  switch (node.kind) {
    case "file":
      return [node.content.sizeBytes, node.content.sha256];
    case "symlink":
      return [node.target];
    case "char":
    case "block":
      return [node.major, node.minor];
    default:
      return [];
  }
}
