import { contentOf, FileTree } from "@cvm-build/fs-writer";
import { expect, it } from "vitest";
import { listTree, mtreeOf } from "./listing.ts";
import { ROOT_ATTRIBUTES } from "./trees/found-tree.ts";

const tree = new FileTree(ROOT_ATTRIBUTES);
tree.set("/a b", { ...ROOT_ATTRIBUTES, kind: "file", mode: 0o644, uid: 5, gid: 6, content: contentOf("") });
tree.set("/bl", { ...ROOT_ATTRIBUTES, kind: "block", mode: 0o644, major: 7, minor: 300 });
tree.set("/d", { ...ROOT_ATTRIBUTES, kind: "directory", mode: 0o1777 });
tree.set("/d/z", { ...ROOT_ATTRIBUTES, kind: "file", mode: 0o6755, content: contentOf("z") });
tree.set("/ff", { ...ROOT_ATTRIBUTES, kind: "fifo", mode: 0o644 });
tree.set("/g*h?i[j]k\\#;", { ...ROOT_ATTRIBUTES, kind: "file", mode: 0o644, content: contentOf("") });
tree.set("/ln", { ...ROOT_ATTRIBUTES, kind: "symlink", target: "tar get#" });
tree.set("/ő", { ...ROOT_ATTRIBUTES, kind: "file", mode: 0o644, content: contentOf("") });

// What systemd-dissect 257 prints of a folder with these.
it("writes what systemd-dissect writes", () => {
  expect([...mtreeOf(tree)].join("")).toBe(`\
./ type=dir mode=0755 uid=0 gid=0
./a\\x20b type=file mode=0644 uid=5 gid=6 size=0
./bl type=block mode=0644 uid=0 gid=0 device=linux,7,300
./d/ type=dir mode=0777 uid=0 gid=0
./d/z type=file mode=0755 uid=0 gid=0 size=1 sha256sum=594e519ae499312b29433b7dd8a97ff068defcba9755b6d5d00e84c524d67b06
./ff type=fifo mode=0644 uid=0 gid=0
./g\\x2ah\\x3fi\\x5bj]k\\x5c\\x23\\x3b type=file mode=0644 uid=0 gid=0 size=0
./ln type=link uid=0 gid=0 link=tar\\x20get\\x23
./\\xc5\\x91 type=file mode=0644 uid=0 gid=0 size=0
`);
  expect([...listTree(tree)].join("")).toBe("a b\nbl\nd/\nd/z\nff\ng*h?i[j]k\\#;\nln\nő\n");
});
