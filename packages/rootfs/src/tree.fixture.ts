import { type Attributes, contentOf, FileTree, parentOf, type TreeNode } from "@cvm-build/fs-writer";

const ATTRIBUTES: Attributes = { mode: 0o755, uid: 0, gid: 0, mtimeSec: 0, origin: { kind: "package", name: "test" } };

/**
 * A tree from paths to what stands there: text is a file, `-> target` a symbolic link, a final slash a directory.
 * Missing parents are made.
 */
export function treeFixture(paths: Record<string, string>): FileTree {
  const tree = new FileTree(ATTRIBUTES);
  for (const [path, text] of Object.entries(paths)) {
    if (path.endsWith("/")) {
      tree.makeDirectories(path.slice(0, -1), ATTRIBUTES.origin);
      continue;
    }
    tree.makeDirectories(parentOf(path), ATTRIBUTES.origin);
    const node: TreeNode = text.startsWith("-> ")
      ? { ...ATTRIBUTES, kind: "symlink", target: text.slice(3) }
      : { ...ATTRIBUTES, kind: "file", mode: 0o644, content: contentOf(text) };
    tree.set(path, node);
  }
  return tree;
}
