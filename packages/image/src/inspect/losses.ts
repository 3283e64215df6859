import type { FileTree, TreeNode } from "@cvm-build/fs-writer";

/** Something of a file that is in the manifest only: a folder cannot have it unless root makes it. */
export interface NotMade {
  path: string;
  /** Such as `owner 0:42`, `mode 4755`, `xattr security.capability`, `char device 1:3`. */
  what: string;
}

const SPECIAL_BITS = 0o7000;

/** What a tree has that `writeDirectory` leaves out. */
export function lossesOf(tree: FileTree): NotMade[] {
  return [...tree.entries()].flatMap(([path, node]) => describeLosses(node).map((what) => ({ path, what })));
}

function describeLosses(node: TreeNode): string[] {
  const losses: string[] = [];
  if (node.uid !== 0 || node.gid !== 0) losses.push(`owner ${node.uid}:${node.gid}`);
  if (node.kind !== "symlink" && (node.mode & SPECIAL_BITS) !== 0) losses.push(`mode ${node.mode.toString(8)}`);
  for (const name of [...(node.xattrs?.keys() ?? [])].sort()) losses.push(`xattr ${name}`);
  if (node.kind === "char" || node.kind === "block") losses.push(`${node.kind} device ${node.major}:${node.minor}`);
  if (node.kind === "fifo") losses.push("fifo");
  return losses;
}
