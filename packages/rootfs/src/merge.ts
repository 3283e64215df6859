import { CvmError } from "@cvm-build/bytes";
import { type FileTree, type Origin, parentOf, type TreeNode } from "@cvm-build/fs-writer";
import { landingPath } from "./packages/landing-path.ts";
import type { Payload } from "./packages/payload.ts";
import { payloadNodes } from "./payload-nodes.ts";

/** Directories that merged-/usr makes symbolic links, and where each leads. */
const MERGED_DIRECTORIES = {
  "/bin": "usr/bin",
  "/sbin": "usr/sbin",
  "/lib": "usr/lib",
  "/lib64": "usr/lib64",
} as const;
const LAYOUT: Origin = { kind: "finisher", name: "merged-usr" };

/** One file that two packages hold, and how dpkg's rule decided. */
export interface Replacement {
  path: string;
  kept: string;
  dropped: string;
}

/** How one payload enters the tree. */
export interface MergeOptions {
  origin: Origin;
  /** Names of packages whose files this one may take over. */
  replaces: ReadonlySet<string>;
  /** Entries that do not enter the tree. */
  exclude: (path: string) => boolean;
}

/**
 * Unpacks payloads into one tree, as dpkg would: existing directories and links to directories stay, a file of another
 * package is only taken over under `Replaces` or where both are the same.
 */
export class TreeMerger {
  readonly tree: FileTree;
  readonly replacements: Replacement[] = [];
  /** Directories that no package has named yet: whoever does, sets their attributes. */
  readonly #implied = new Set<string>(["/"]);
  readonly #replaces = new Map<string, ReadonlySet<string>>();

  constructor(tree: FileTree) {
    this.tree = tree;
  }

  /** Makes /bin, /sbin and /lib links into /usr, and /lib64 where `hasLib64`. */
  layOutMergedUsr({ hasLib64 }: { hasLib64: boolean }): void {
    for (const [path, target] of Object.entries(MERGED_DIRECTORIES)) {
      if (path === "/lib64" && !hasLib64) continue;
      this.#makeParents(`/${target}/x`, LAYOUT);
      this.tree.set(path, { kind: "symlink", mode: 0o777, uid: 0, gid: 0, mtimeSec: 0, target, origin: LAYOUT });
    }
  }

  /**
   * Adds one payload.
   * @throws CvmError `conflict` where a path is taken by another package
   * @throws FormatError where an entry would leave the tree
   */
  add(payload: Payload, { origin, replaces, exclude }: MergeOptions): void {
    this.#replaces.set(origin.name, replaces);
    for (const [path, node] of payloadNodes(payload, origin)) {
      if (!exclude(path)) this.#place(landingPath(this.tree, path, origin.name), node);
    }
  }

  #place(path: string, node: TreeNode): void {
    this.#makeParents(path, node.origin);
    const existing = this.tree.get(path);
    if (!existing) {
      this.tree.set(path, node);
      return;
    }
    if (node.kind === "directory") {
      this.#placeDirectory(path, node, existing);
      return;
    }
    if (existing.kind === "directory") {
      // dpkg never puts a link to a directory in a directory's place.
      if (node.kind === "symlink") return;
      throw conflict(path, existing, node);
    }
    if (isSame(existing, node)) return;
    if (this.#mayReplace(node.origin, existing.origin)) {
      this.replacements.push({ path, kept: node.origin.name, dropped: existing.origin.name });
      this.tree.set(path, node);
    } else if (this.#mayReplace(existing.origin, node.origin)) {
      this.replacements.push({ path, kept: existing.origin.name, dropped: node.origin.name });
    } else throw conflict(path, existing, node);
  }

  #placeDirectory(path: string, node: TreeNode & { kind: "directory" }, existing: TreeNode): void {
    if (existing.kind === "directory") {
      if (this.#implied.delete(path)) this.tree.set(path, node);
      return;
    }
    if (existing.kind !== "symlink") throw conflict(path, existing, node);
    const target = landingPath(this.tree, `${path}/.`, node.origin.name);
    this.#makeParents(`${target}/x`, node.origin);
  }

  #makeParents(path: string, origin: Origin): void {
    const parent = parentOf(path);
    const existing = this.tree.get(parent);
    if (existing?.kind === "directory") return;
    if (existing) {
      throw new CvmError(
        "conflict",
        `cannot unpack "${path}" of "${origin.name}": expected "${parent}" to be a directory, got a ${existing.kind}`,
      );
    }
    this.#makeParents(parent, origin);
    this.#implied.add(parent);
    this.tree.set(parent, { kind: "directory", mode: 0o755, uid: 0, gid: 0, mtimeSec: 0, origin });
  }

  #mayReplace(winner: Origin, loser: Origin): boolean {
    if (winner.name === loser.name && winner.kind === loser.kind) return true;
    return this.#replaces.get(winner.name)?.has(loser.name) ?? false;
  }
}

/** Whether two packages hold the very same thing: bytes, kind, permissions and owner. */
function isSame(a: TreeNode, b: TreeNode): boolean {
  if (a.kind !== b.kind) return false;
  if (a.kind === "symlink" && b.kind === "symlink") return a.target === b.target;
  if (a.mode !== b.mode || a.uid !== b.uid || a.gid !== b.gid) return false;
  if (a.kind === "file" && b.kind === "file") return a.content.sha256 === b.content.sha256;
  if ((a.kind === "char" || a.kind === "block") && a.kind === b.kind) return a.major === b.major && a.minor === b.minor;
  return a.kind === "fifo";
}

function conflict(path: string, existing: TreeNode, node: TreeNode): CvmError<"conflict"> {
  return new CvmError(
    "conflict",
    `cannot unpack "${path}" of "${node.origin.name}": expected no other package to hold it, got "${existing.origin.name}"`,
    {
      hint: "RemovePackages= leaves the files of one of them out",
      details: { path, packages: [existing.origin.name, node.origin.name] },
    },
  );
}
