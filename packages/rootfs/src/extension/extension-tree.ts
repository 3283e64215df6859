import { CvmError } from "@cvm-build/bytes";
import { contentOf, FileTree, type Origin, parentOf, type TreeNode } from "@cvm-build/fs-writer";
import type { Profile } from "@cvm-build/profile";
import { EXTENSION_KINDS, type ExtensionKind, formatExtensionRelease } from "./extension-release.ts";
import type { OsRelease } from "./os-release.ts";

/** The tree of an extension, and what it is without. */
export interface ExtensionTree {
  tree: FileTree;
  /** Where it says which systems it fits. */
  releasePath: string;
  /** What that file says. */
  release: string;
  /** Paths that packages hold and an extension cannot have, sorted. */
  leftOut: string[];
}

const ORIGIN: Origin = { kind: "finisher", name: "extension" };
/** What the administrator put where it is: leaving it out would be to ignore a word of the profile. */
const DELIBERATE: ReadonlySet<Origin["kind"]> = new Set(["extra", "artifact", "service"]);
/** Of what finishers make for a whole system only this makes sense over another one: sonames of libraries, and probes. */
const KEPT_FINISHERS: ReadonlySet<string> = new Set(["linker-cache", "services"]);
/** The services' limits on the journal are the system's own. */
const SYSTEM_SETTINGS = "/usr/lib/systemd/journald.conf.d/";
/** Units that appear while a system runs are unknown to it until it reads units again. @see os-release(5) */
const RELOAD = "EXTENSION_RELOAD_MANAGER=1\n";
const UNIT_DIRECTORIES = ["/usr/lib/systemd/system", "/etc/systemd/system"];
/** systemd refuses an extension that would say which system this is. */
const OS_RELEASE = "/usr/lib/os-release";

/**
 * Makes the tree of a system or configuration extension out of an image's: the hierarchies that systemd merges, of packages,
 * artefacts, extra trees and services, and the file that says which systems it fits.
 * @param base the os-release of the image that it extends, where that is known
 * @throws CvmError `extension` where the profile puts something where an extension cannot have it, where there is nothing
 * in it, or where it would not fit
 * @see systemd-sysext(8)
 */
export function makeExtensionTree(
  source: FileTree,
  { kind, profile, base }: { kind: ExtensionKind; profile: Profile; base?: OsRelease },
): ExtensionTree {
  const { hierarchies, releases } = EXTENSION_KINDS[kind];
  const releasePath = `${releases}/extension-release.${profile.output.imageId}`;
  const tree = new FileTree(source.get("/")!);
  const leftOut: string[] = [];
  for (const [path, node] of source.entries()) {
    if (isMade(path, node) || isPlainDirectory(source, path, node)) continue;
    const isInside = hierarchies.some((top) => path.startsWith(`${top}/`));
    if (isInside && path !== OS_RELEASE && !path.startsWith(`${releases}/`)) copy(source, { path, node, tree });
    else if (DELIBERATE.has(node.origin.kind)) throw misplaced(path, node, { kind, releasePath });
    else leftOut.push(path);
  }
  if (tree.size === 1) throw empty(kind, profile);
  const release = `${formatExtensionRelease(kind, profile, base)}${hasUnits(tree) ? RELOAD : ""}`;
  const mtimeSec = profile.content.sourceDateEpochSec;
  tree.makeDirectories(releases, ORIGIN);
  const attributes = { mode: 0o644, uid: 0, gid: 0, mtimeSec, origin: ORIGIN };
  tree.set(releasePath, { ...attributes, kind: "file", content: contentOf(release) });
  return { tree, releasePath, release, leftOut };
}

function hasUnits(tree: FileTree): boolean {
  return UNIT_DIRECTORIES.some((path) => tree.list(path).length > 0);
}

function isMade(path: string, { origin }: TreeNode): boolean {
  return origin.kind === "finisher" && (!KEPT_FINISHERS.has(origin.name) || path.startsWith(SYSTEM_SETTINGS));
}

/** A directory comes along with what is in it, and by itself only where it is empty. */
function isPlainDirectory(tree: FileTree, path: string, node: TreeNode): boolean {
  return node.kind === "directory" && (path === "/" || tree.list(path).length > 0);
}

function copy(source: FileTree, { path, node, tree }: { path: string; node: TreeNode; tree: FileTree }): void {
  const missing: string[] = [];
  for (let parent = parentOf(path); !tree.has(parent); parent = parentOf(parent)) missing.push(parent);
  for (const parent of missing.reverse()) tree.set(parent, source.get(parent)!);
  tree.set(path, node);
}

function misplaced(
  path: string,
  { origin }: TreeNode,
  { kind, releasePath }: { kind: ExtensionKind; releasePath: string },
): CvmError<"extension"> {
  const { hierarchies, releases } = EXTENSION_KINDS[kind];
  const own = path === OS_RELEASE || path.startsWith(`${releases}/`);
  const expected = own
    ? `only ${releasePath}, which is written for it`
    : `only what is below ${hierarchies.join(" and ")}`;
  const message = `cannot make a ${kind} with "${path}" of ${origin.kind} "${origin.name}": expected ${expected}`;
  const hint = own
    ? "[Extension] says which systems it fits"
    : "systemd would not merge it: take it away with RemoveFiles=";
  return new CvmError("extension", message, { hint, details: { path, origin } });
}

function empty(kind: ExtensionKind, { output }: Profile): CvmError<"extension"> {
  const places = EXTENSION_KINDS[kind].hierarchies.join(" or ");
  return new CvmError(
    "extension",
    `cannot make ${kind} "${output.imageId}": expected files below ${places}, got none`,
    {
      hint: "Packages=, ExtraTrees=, artifacts and services are what it is made of",
    },
  );
}
