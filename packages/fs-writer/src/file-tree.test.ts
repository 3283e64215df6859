import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { contentOf } from "./content.ts";
import { dumpTree } from "./dump-tree.ts";
import { compareUtf8, FileTree, parentOf } from "./file-tree.ts";
import type { Attributes, FileNode, TreeNode } from "./tree.ts";

const origin = { kind: "package", name: "sample" } as const;
const root: Attributes = { mode: 0o755, uid: 0, gid: 0, mtimeSec: 0, origin };
const directory: TreeNode = { ...root, kind: "directory" };
const file = (text: string): FileNode => ({ ...root, kind: "file", mode: 0o644, content: contentOf(text) });
const symlink = (target: string): TreeNode => ({ ...root, kind: "symlink", mode: 0o777, target });

/** A merged-/usr tree: `/bin` leads to `/usr/bin`. */
function sampleTree(): FileTree {
  const tree = new FileTree(root);
  tree.makeDirectories("/usr/bin", origin);
  tree.makeDirectories("/etc", origin);
  tree.set("/bin", symlink("usr/bin"));
  tree.set("/usr/bin/sh", symlink("dash"));
  tree.set("/usr/bin/dash", file("dash"));
  return tree;
}

describe("FileTree", () => {
  it("dumps like ls", () => {
    const tree = sampleTree();
    tree.set("/etc/hostname", file("reth\n\n"));
    tree.set("/usr/bin/perl", file("perl"));
    tree.set("/usr/bin/perl5.40", tree.get("/usr/bin/perl") as TreeNode);
    tree.set("/usr/bin/ping", { ...file("ping"), xattrs: new Map([["security.capability", Buffer.of(1)]]) });
    tree.makeDirectories("/dev", origin);
    tree.set("/dev/null", { ...root, kind: "char", mode: 0o666, major: 1, minor: 3 });
    tree.set("/dev/sda", { ...root, kind: "block", mode: 0o660, gid: 6, major: 8, minor: 0 });
    tree.set("/dev/initctl", { ...root, kind: "fifo", mode: 0o600 });
    tree.set("/tmp", { ...directory, mode: 0o1777 });
    tree.makeDirectories("/proc", origin);
    expect(dumpTree(tree)).toEqual({
      "/bin": "symlink usr/bin",
      "/dev/initctl": "fifo 0600 0:0",
      "/dev/null": "char 0666 0:0 1:3",
      "/dev/sda": "block 0660 0:6 8:0",
      "/etc/hostname": "file 0644 0:0 6 2fdf7ecd",
      "/proc": "directory 0755 0:0",
      "/tmp": "directory 1777 0:0",
      "/usr/bin/dash": "file 0644 0:0 4 af9d2c92",
      "/usr/bin/perl": "file 0644 0:0 4 f0c929a9",
      "/usr/bin/perl5.40": "link /usr/bin/perl",
      "/usr/bin/ping": "file 0644 0:0 4 758d61f2 +security.capability",
      "/usr/bin/sh": "symlink dash",
    });
  });

  it.each([
    ["/bin/sh", "/usr/bin/dash"],
    ["/usr/bin/../bin/./dash", "/usr/bin/dash"],
    ["/../../usr/bin/dash", "/usr/bin/dash"],
    ["/bin", "/usr/bin"],
    ["/", "/"],
    ["/bin/none", undefined],
    ["/none/sh", undefined],
    ["/loop/x", undefined],
    ["/absolute/dash", "/usr/bin/dash"],
    ["/etc/up", "/usr/bin/dash"],
  ])("resolves %s to %s, as a chroot would", (path, expected) => {
    const tree = sampleTree();
    tree.set("/loop", symlink("loop"));
    tree.set("/absolute", symlink("/bin"));
    tree.set("/etc/up", symlink("../../../bin/sh"));
    expect(tree.resolve(path)).toBe(expected);
    expect(tree.follow(path)).toBe(expected === undefined ? undefined : tree.get(expected));
  });

  it("gives up on loops, but follows long chains", () => {
    const tree = sampleTree();
    tree.set("/a", symlink("b"));
    tree.set("/b", symlink("a"));
    expect(tree.resolve("/a")).toBeUndefined();
    for (let n = 0; n < 40; n++) tree.set(`/chain${n}`, symlink(n === 39 ? "bin/dash" : `chain${n + 1}`));
    expect(tree.resolve("/chain2")).toBe("/usr/bin/dash");
    expect(tree.resolve("/chain0")).toBeUndefined();
  });

  it("resolves a parent and leaves the last name alone", () => {
    const tree = sampleTree();
    expect(tree.resolveParent("/bin/sh")).toBe("/usr/bin/sh");
    expect(tree.resolveParent("/bin/new")).toBe("/usr/bin/new");
    expect(tree.resolveParent("/bin")).toBe("/bin");
    expect(tree.resolveParent("/none/new")).toBeUndefined();
  });

  it.each([
    ["relative", "usr"],
    ["a dot", "/usr/./x"],
    ["dots", "/usr/../x"],
    ["an empty name", "/usr//x"],
    ["a final slash", "/usr/"],
    ["a NUL", "/usr/a\0"],
    ["nothing", ""],
  ])("refuses a path that is not normal: %s", (_what, path) => {
    expect(() => sampleTree().set(path, file(""))).toThrow("expected an absolute, normalised path");
  });

  it("refuses what would lose nodes or hang in the air", () => {
    const tree = sampleTree();
    expect(() => tree.set("/usr", file(""))).toThrow('cannot put file "/usr": expected a path without children');
    expect(() => tree.set("/none/x", file(""))).toThrow('expected "/none" to be a directory');
    expect(() => tree.set("/bin/x", file(""))).toThrow('expected "/bin" to be a directory');
    expect(() => tree.set("/usr/bin/dash/x", file(""))).toThrow('expected "/usr/bin/dash" to be a directory');
  });

  it("keeps children of a directory that gets other attributes", () => {
    const tree = sampleTree();
    tree.set("/usr/bin", { ...directory, mode: 0o700 });
    expect(tree.list("/usr/bin")).toEqual(["dash", "sh"]);
    tree.set("/usr/bin/dash", directory);
    tree.set("/usr/bin/dash/x", file("x"));
    expect(tree.has("/usr/bin/dash/x")).toBe(true);
  });

  it("deletes with everything below", () => {
    const tree = sampleTree();
    const size = tree.size;
    expect(tree.delete("/usr")).toBe(true);
    expect(tree.size).toBe(size - 4);
    expect(tree.delete("/usr")).toBe(false);
    expect(tree.delete("/")).toBe(false);
    expect(tree.list("/")).toEqual(["bin", "etc"]);
    expect([...tree.entries("/usr")]).toEqual([]);
    expect(parentOf("/usr/bin")).toBe("/usr");
    expect(parentOf("/usr")).toBe("/");
  });

  it("orders names by their bytes, parents before children", () => {
    const tree = new FileTree(root);
    for (const name of ["/b", "/é", "/a", "/a.b", "/\u{1f600}", "/\uffee", "/B"]) tree.set(name, directory);
    tree.set("/a/z", directory);
    const expected = ["/", "/B", "/a", "/a/z", "/a.b", "/b", "/é", "/\uffee", "/\u{1f600}"];
    expect([...tree.entries()].map(([path]) => path)).toEqual(expected);
  });

  it("compares as Buffer.compare does on UTF-8", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (a, b) => {
        expect(Math.sign(compareUtf8(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
      }),
      { seed: 7, numRuns: 300 },
    );
  });
});
