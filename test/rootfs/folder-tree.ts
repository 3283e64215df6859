import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Attributes, contentOf, type DerivedCache, FileTree, readContent } from "@cvm-build/fs-writer";
import { sha256Hex } from "@cvm-build/bytes";
import type { Profile } from "@cvm-build/profile";

const ATTRIBUTES: Attributes = { mode: 0o755, uid: 0, gid: 0, mtimeSec: 0, origin: { kind: "package", name: "test" } };

/** Reads what lies below `from` of a folder that stands for `/`. */
export function readFolder(root: string, from: string): FileTree {
  const tree = new FileTree(ATTRIBUTES);
  if (from !== "/") tree.makeDirectories(from, ATTRIBUTES.origin);
  const walk = (directory: string): void => {
    for (const name of readdirSync(join(root, directory))) {
      const path = join(directory, name);
      const found = lstatSync(join(root, path));
      if (found.isDirectory()) {
        tree.set(path, { ...ATTRIBUTES, kind: "directory" });
        walk(path);
      } else if (found.isSymbolicLink()) {
        tree.set(path, { ...ATTRIBUTES, kind: "symlink", target: readlinkSync(join(root, path)) });
      } else if (found.isFile()) {
        const content = contentOf(readFileSync(join(root, path)));
        tree.set(path, { ...ATTRIBUTES, kind: "file", mode: found.mode & 0o7777, content });
      }
    }
  };
  walk(from);
  return tree;
}

/** Writes what lies below `from` of a tree into a folder that stands for `/`. */
export function writeFolder(tree: FileTree, root: string, { from }: { from: string }): void {
  for (const [path, node] of tree.entries(from)) {
    const place = join(root, path);
    mkdirSync(dirname(place), { recursive: true });
    if (node.kind === "directory") mkdirSync(place, { recursive: true });
    if (node.kind === "symlink") symlinkSync(node.target, place);
    if (node.kind === "file") writeFileSync(place, readContent(node.content), { mode: node.mode });
  }
}

/** The bytes of a file of the tree. */
export function bytesAt(tree: FileTree, path: string): Buffer {
  const node = tree.follow(path);
  if (node?.kind !== "file") throw new Error(`expected a file at ${path}`);
  return readContent(node.content);
}

/** The symbolic links in a directory of the tree, name to target. */
export function linksIn(tree: FileTree, directory: string): Record<string, string> {
  const links = tree.list(directory).flatMap((name) => {
    const node = tree.get(`${directory}/${name}`);
    return node?.kind === "symlink" ? [[name, node.target] as const] : [];
  });
  return Object.fromEntries(links);
}

/** A temporary folder that `using` takes away. */
export function temporaryFolder(): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "cvm-rootfs-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** A cache that remembers nothing. */
export function forgetfulCache(folder: string): DerivedCache {
  let count = 0;
  return {
    lookup: () => undefined,
    reserve: () => join(folder, `object-${count++}`),
    commit: (_kind, _key, { temporaryPath, sizeBytes, meta }) => ({
      path: temporaryPath,
      sizeBytes,
      sha256: sha256Hex(readFileSync(temporaryPath)),
      meta,
    }),
    discard: () => undefined,
  };
}

/** A profile as far as finishers look at it. */
export function profileOf(changes: { content?: Partial<Profile["content"]>; services?: Profile["services"] }): Profile {
  const content = {
    kernelModules: [],
    kernelInitrdModules: [],
    mergeExtensions: "no",
    sourceDateEpochSec: 0,
    defaultTarget: "multi-user.target",
    ...changes.content,
  };
  return {
    content,
    distribution: { architecture: "x86-64" },
    services: changes.services ?? [],
  } as unknown as Profile;
}
