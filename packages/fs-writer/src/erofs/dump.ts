import { type ByteSource, FormatError } from "@cvm-build/bytes";
import { type ErofsImage, openErofs } from "./reader.ts";
import { deviceOf, type ErofsInode } from "./reading/inode.ts";
import type { ErofsRun } from "./reading/run.ts";

/** How many runs of a file are told one by one. */
const MAX_RUNS = 8;

/**
 * An erofs image as text: what the superblock says, then one line a path in tree order: number, kind, mode, owner, mtime,
 * links, layout, size or device, path, target, where the data is (in blocks, or bytes beside the inode), attributes.
 * @throws FormatError where the image is damaged
 */
export function dumpErofs(source: ByteSource): string {
  const image = openErofs(source);
  const { facts } = image;
  const isCompressed = facts.features.includes("comprCfgs");
  const head = [
    `uuid ${facts.uuid} label ${JSON.stringify(facts.label)} epoch @${facts.epochSec}`,
    `${facts.blockCount} blocks of ${facts.blockBytes}, ${facts.inodeCount} inodes`,
    `features ${[...facts.features, ...(isCompressed ? facts.algorithms : [])].join(" ")}`,
  ];
  return `${[...head, ...lines(image)].join("\n")}\n`;
}

function* lines(image: ErofsImage): Generator<string> {
  const directories = new Set<number>();
  const waiting = [{ path: "/", nid: image.root.nid, parentNid: image.root.nid }];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { path, nid, parentNid } = next;
    const inode = image.inode(nid);
    yield line(image, inode, path);
    if (inode.kind !== "directory") continue;
    if (directories.has(nid)) throw new FormatError({ record: "erofs" }, `expected directory ${nid} under one path`);
    directories.add(nid);
    const entries = [...image.entries(inode, { parentNid })].reverse();
    const prefix = path === "/" ? "" : path;
    for (const entry of entries) waiting.push({ path: `${prefix}/${entry.name}`, nid: entry.nid, parentNid: nid });
  }
}

function line(image: ErofsImage, inode: ErofsInode, path: string): string {
  const { nid, kind, mode, uid, gid, mtimeSec, linkCount, layout, sizeBytes } = inode;
  const isDevice = kind === "char" || kind === "block";
  const { major, minor } = deviceOf(inode);
  const columns = [
    `#${nid}`,
    kind,
    mode.toString(8).padStart(4, "0"),
    `${uid}:${gid}`,
    `@${mtimeSec}`,
    `links=${linkCount}`,
    layout,
    isDevice ? `${major}:${minor}` : String(sizeBytes),
    path,
  ];
  if (kind === "symlink") columns.push("->", image.target(inode));
  if (kind === "file" || kind === "directory") columns.push(...dumpRuns(image, inode));
  for (const [name, value] of image.xattrs(inode) ?? []) columns.push(`+${name}=${Buffer.from(value).toString("hex")}`);
  return columns.join(" ");
}

function dumpRuns(image: ErofsImage, inode: ErofsInode): string[] {
  const told: string[] = [];
  for (const run of image.runs(inode)) {
    if (told.length === MAX_RUNS) return [...told, "…"];
    told.push(dumpRun(run, image.facts.blockBytes));
  }
  return told;
}

/** `[hole 8192]`, `[stored 4096 at 3+0]`: how much of the file, and block and byte where it is. */
function dumpRun(run: ErofsRun, blockBytes: number): string {
  const kind = run.kind === "cluster" ? run.algorithm : run.kind;
  if (run.kind === "hole" || run.kind === "fragment") return `[${kind} ${run.sizeBytes}]`;
  const { physicalOffsetBytes: at } = run;
  const size = run.kind === "cluster" ? `${run.sizeBytes}<${run.physicalSizeBytes}` : `${run.sizeBytes}`;
  return `[${kind} ${size} at ${Math.floor(at / blockBytes)}+${at % blockBytes}]`;
}
