import {
  chmodSync,
  closeSync,
  ftruncateSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  utimesSync,
} from "node:fs";
import { join } from "node:path";
import type { Sha256Hex } from "@cvm-build/bytes";
import { ContentReader } from "../content.ts";
import type { FileTree } from "../file-tree.ts";
import type { TreeNode } from "../tree.ts";
import { writeSparsely } from "../zeros.ts";

/** A tree on the building machine's disk. */
export interface WrittenDirectory {
  /** Regular files by their paths in the tree, and what they hold. */
  files: Map<string, { sizeBytes: number; sha256: Sha256Hex }>;
  /** Paths that are not there: only root can make devices, and Node makes no fifos. */
  missing: string[];
}

/** Whoever builds must be able to read files, and to clear directories away. */
const OWNER_READS = 0o400;
const OWNER_ENTERS = 0o700;

/**
 * Writes a tree as files of whoever builds, sparse where they can be, with permission bits, times, links and hard links,
 * and without what only root could make: owners, set-id and sticky bits, devices, extended attributes. `encodeMtree` says
 * what these are.
 * @param options.output a folder that is not there yet; nothing outside it is written
 * @throws Error of the file system where something is there; FormatError where a content is no longer what its digest says
 */
export function writeDirectory(
  tree: FileTree,
  { output, mtimeClampSec }: { output: string; mtimeClampSec: number },
): WrittenDirectory {
  const written: WrittenDirectory = { files: new Map(), missing: [] };
  const firstPlaces = new Map<TreeNode, string>();
  const directories: [place: string, node: TreeNode][] = [];
  using reader = new ContentReader();
  for (const [path, node] of tree.entries()) {
    // Parents are directories that were made here, never links: a place is in the folder.
    const place = join(output, path);
    const mtimeSec = Math.max(0, Math.min(node.mtimeSec, mtimeClampSec));
    const firstPlace = firstPlaces.get(node);
    switch (node.kind) {
      case "directory":
        mkdirSync(place, OWNER_ENTERS);
        directories.push([place, node]);
        break;
      case "file":
        if (firstPlace === undefined) {
          writeNew(place, reader.chunks(node.content));
          chmodSync(place, (node.mode & 0o777) | OWNER_READS);
          utimesSync(place, mtimeSec, mtimeSec);
          firstPlaces.set(node, place);
        } else {
          linkSync(firstPlace, place);
        }
        written.files.set(path, { sizeBytes: node.content.sizeBytes, sha256: node.content.sha256 });
        break;
      case "symlink":
        symlinkSync(node.target, place);
        lutimesSync(place, mtimeSec, mtimeSec);
        break;
      default:
        written.missing.push(path);
    }
  }
  // Last, and the deepest first: what is put into a directory changes its time.
  for (const [place, node] of directories.reverse()) {
    const mtimeSec = Math.max(0, Math.min(node.mtimeSec, mtimeClampSec));
    chmodSync(place, (node.mode & 0o777) | OWNER_ENTERS);
    utimesSync(place, mtimeSec, mtimeSec);
  }
  return written;
}

function writeNew(path: string, chunks: Iterable<Buffer>): void {
  const file = openSync(path, "wx", 0o600);
  try {
    let sizeBytes = 0;
    for (const chunk of chunks) {
      writeSparsely(file, chunk, sizeBytes);
      sizeBytes += chunk.length;
    }
    ftruncateSync(file, sizeBytes);
  } finally {
    closeSync(file);
  }
}
