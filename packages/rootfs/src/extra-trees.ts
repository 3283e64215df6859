import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readlinkSync, type Stats } from "node:fs";
import { borrowedChunksOf, CvmError, finishSha256, openFileSource } from "@cvm-build/bytes";
import { compareUtf8, type Content, type FileTree, type Origin, type TreeNode } from "@cvm-build/fs-writer";
import { landingPath } from "./packages/landing-path.ts";
import type { Payload } from "./packages/payload.ts";
import { payloadNodes } from "./payload-nodes.ts";

/** An `ExtraTrees=` entry whose source is at hand: a directory, or an archive that was unpacked. */
export interface ExtraTree {
  /** As the profile writes it. */
  name: string;
  /** Absolute path in the image. */
  target: string;
  source: { directory: string } | { payload: Payload };
}

/**
 * Puts an extra tree over what is there. Everything becomes root's. Files from a directory are 0755 where their owner
 * may execute them and 0644 otherwise, directories 0755, whatever the umask was when they were written; an archive says
 * its own permissions. Directories that exist keep their attributes.
 * @returns the paths of the files, links and new directories
 * @throws CvmError `extra-tree` where the source holds what an image cannot, or a directory would become something else
 */
export function addExtraTree(tree: FileTree, extra: ExtraTree, { mtimeSec }: { mtimeSec: number }): string[] {
  const origin: Origin = { kind: "extra", name: extra.name };
  const base = extra.target.replace(/\/+$/, "");
  const source = extra.source;
  const nodes =
    "directory" in source ? diskNodes(source.directory, { origin, mtimeSec }) : payloadNodes(source.payload, origin);
  const placed: string[] = [];
  for (const [path, node] of nodes) {
    const at = place(tree, {
      path: path === "/" ? base || "/" : `${base}${path}`,
      node: { ...node, uid: 0, gid: 0, mtimeSec },
    });
    if (at !== undefined) placed.push(at);
  }
  return placed;
}

function place(tree: FileTree, { path, node }: { path: string; node: TreeNode }): string | undefined {
  const target = landingPath(tree, path, node.origin.name);
  const existing = tree.get(target);
  if (node.kind === "directory" && tree.follow(target)?.kind === "directory") return undefined;
  if (node.kind !== "directory" && existing?.kind === "directory") {
    throw new CvmError(
      "extra-tree",
      `cannot add "${path}" of "${node.origin.name}": expected a directory, got a ${node.kind}`,
      {
        hint: "RemoveFiles= acts after extra trees; rename the file or remove the package that holds the directory",
      },
    );
  }
  const parent = target.slice(0, target.lastIndexOf("/")) || "/";
  tree.makeDirectories(parent, node.origin);
  tree.set(target, node);
  return target;
}

function* diskNodes(
  directory: string,
  options: { origin: Origin; mtimeSec: number },
): Generator<[path: string, node: TreeNode]> {
  for (const name of readable(directory, (at) => readdirSync(at)).sort(compareUtf8))
    yield* diskNode(`${directory}/${name}`, { path: `/${name}`, ...options });
}

function* diskNode(
  source: string,
  { path, origin, mtimeSec }: { path: string; origin: Origin; mtimeSec: number },
): Generator<[path: string, node: TreeNode]> {
  const stat = readable(source, (at) => lstatSync(at));
  const attributes = { uid: 0, gid: 0, mtimeSec, origin };
  if (stat.isDirectory()) {
    yield [path, { ...attributes, kind: "directory", mode: 0o755 }];
    for (const name of readable(source, (at) => readdirSync(at)).sort(compareUtf8)) {
      yield* diskNode(`${source}/${name}`, { path: `${path}/${name}`, origin, mtimeSec });
    }
  } else if (stat.isSymbolicLink()) {
    yield [path, { ...attributes, kind: "symlink", mode: 0o777, target: readlinkSync(source) }];
  } else if (stat.isFile()) {
    yield [
      path,
      { ...attributes, kind: "file", mode: (stat.mode & 0o100) === 0 ? 0o644 : 0o755, content: diskContent(source) },
    ];
  } else {
    throw new CvmError(
      "extra-tree",
      `cannot add "${source}": expected a file, directory or symbolic link, got ${kindOf(stat)}`,
    );
  }
}

/** What `read` gives. A file that its user may not read is theirs to mend. */
function readable<T>(path: string, read: (path: string) => T): T {
  try {
    return read(path);
  } catch (cause) {
    if (!(cause instanceof Error) || !("syscall" in cause)) throw cause;
    throw new CvmError("extra-tree", `cannot read "${path}": expected what you may read, got ${cause.message}`, {
      cause,
    });
  }
}

/** A file on disk as content, by place, hashed without holding it. */
export function diskContent(path: string): Content {
  using source = readable(path, openFileSource);
  const hash = createHash("sha256");
  for (const chunk of borrowedChunksOf(source)) hash.update(chunk);
  return { sizeBytes: source.sizeBytes, sha256: finishSha256(hash), file: { path, offsetBytes: 0 } };
}

function kindOf(stat: Stats): string {
  return stat.isSocket() ? "a socket" : stat.isFIFO() ? "a pipe" : "a device";
}
