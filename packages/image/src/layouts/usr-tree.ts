import { CvmError } from "@cvm-build/bytes";
import { contentOf, FileTree, type Origin, parentOf, type TreeNode } from "@cvm-build/fs-writer";

/** What of a tree a disk has. */
export interface DiskTree {
  /** What the file system holds. */
  content: FileTree;
  /** The tree as the system has it that runs. */
  running: FileTree;
  /** Paths that are on no disk. */
  leftOut: string[];
}

const USR = "/usr";
const ORIGIN: Origin = { kind: "finisher", name: "usr" };
const UNITS = "/usr/lib/systemd/system";
const OWN_UNITS = "/etc/systemd/system";
const PRESETS = "/usr/lib/systemd/system-preset";
const PRESET = `${PRESETS}/00-cvm.preset`;
const NO_PRESETS = "# Written by cvm-build: what is enabled is linked in /usr/lib/systemd/system.\ndisable *\n";

/**
 * The tree of a disk that has /usr alone. Without /etc every boot is systemd's first, which enables whatever no preset
 * speaks against. So what /etc/systemd/system says, masks too, goes to /usr/lib, and nothing is left for presets to enable.
 * Links at the top systemd makes itself.
 * @throws CvmError `setting` where there is no /usr
 * @see systemd.preset(5); machine-id(5), "FIRST BOOT SEMANTICS"
 */
export function onlyUsr(tree: FileTree, { mtimeSec }: { mtimeSec: number }): DiskTree {
  const usr = tree.get(USR);
  if (usr?.kind !== "directory") {
    throw new CvmError("setting", `cannot make a disk of "${USR}": expected a directory`);
  }
  const running = new FileTree(tree.get("/")!);
  for (const [path, node] of tree.entries(USR)) running.set(path, node);
  const leftOut: string[] = [];
  for (const [path, node] of tree.entries()) {
    if (path === USR || path.startsWith(`${USR}/`)) continue;
    if (node.kind === "symlink" && parentOf(path) === "/") running.set(path, node);
    else if (path.startsWith(`${OWN_UNITS}/`)) putUnit(running, `${UNITS}${path.slice(OWN_UNITS.length)}`, node);
    else if (node.kind !== "directory") leftOut.push(path);
  }
  if (tree.has(UNITS)) {
    running.makeDirectories(PRESETS, ORIGIN);
    const attributes = { mode: 0o644, uid: 0, gid: 0, mtimeSec, origin: ORIGIN };
    running.set(PRESET, { ...attributes, kind: "file", content: contentOf(NO_PRESETS) });
  }
  return { content: below(running, usr), running, leftOut };
}

/** What /etc says of a unit comes before what /usr/lib says. */
function putUnit(tree: FileTree, path: string, node: TreeNode): void {
  tree.makeDirectories(parentOf(path), ORIGIN);
  if (node.kind === "directory" && tree.get(path)?.kind === "directory") return;
  if (node.kind === "symlink" && node.target === path) return;
  if (node.kind !== "directory") tree.delete(path);
  tree.set(path, node);
}

/** What is in /usr, as a tree of its own. */
function below(tree: FileTree, usr: TreeNode): FileTree {
  const content = new FileTree(usr);
  for (const [path, node] of tree.entries(USR)) if (path !== USR) content.set(path.slice(USR.length), node);
  return content;
}
