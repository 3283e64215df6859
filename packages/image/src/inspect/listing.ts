import { type FileTree, MTREE_TYPES } from "@cvm-build/fs-writer";

/**
 * Every path of a tree, one a line, without `/` in front and with one behind directories, as `systemd-dissect --list` does.
 */
export function* listTree(tree: FileTree): Generator<string> {
  for (const [path, node] of tree.entries()) {
    if (path !== "/") yield `${path.slice(1)}${node.kind === "directory" ? "/" : ""}\n`;
  }
}

/**
 * A tree as an mtree(5) manifest, line for line as `systemd-dissect --mtree` prints it: type, permission bits, owner, and
 * size with digest, target or device. Set-id and sticky bits, times and extended attributes are not in it.
 */
export function* mtreeOf(tree: FileTree): Generator<string> {
  for (const [path, node] of tree.entries()) {
    const shown = path === "/" ? "./" : `.${escapeMtree(path)}${node.kind === "directory" ? "/" : ""}`;
    const fields = [shown, `type=${MTREE_TYPES[node.kind]}`];
    if (node.kind !== "symlink") fields.push(`mode=${(node.mode & 0o777).toString(8).padStart(4, "0")}`);
    fields.push(`uid=${node.uid}`, `gid=${node.gid}`);
    if (node.kind === "file") {
      fields.push(`size=${node.content.sizeBytes}`);
      if (node.content.sizeBytes > 0) fields.push(`sha256sum=${node.content.sha256}`);
    }
    if (node.kind === "symlink") fields.push(`link=${escapeMtree(node.target)}`);
    if (node.kind === "char" || node.kind === "block") fields.push(`device=linux,${node.major},${node.minor}`);
    yield `${fields.join(" ")}\n`;
  }
}

/** White space, comments, patterns, backslashes and what is no printable ASCII. */
const ESCAPED = new Set(Buffer.from(" \t\n\r#;*?[\\"));

function escapeMtree(text: string): string {
  let escaped = "";
  for (const byte of Buffer.from(text)) {
    const isPlain = byte >= 0x20 && byte < 0x7f && !ESCAPED.has(byte);
    escaped += isPlain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return escaped;
}
