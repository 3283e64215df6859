import { dumpTree, FileTree } from "@cvm-build/fs-writer";
import { describe, expect, it } from "vitest";
import { treeFixture } from "../tree.fixture.ts";
import { TreePicker } from "./tree-picker.ts";

function pickerOf(paths: Record<string, string>): TreePicker {
  const source = treeFixture(paths);
  return new TreePicker({ source, target: new FileTree(source.get("/")!) });
}

describe("picking from a tree", () => {
  it("takes links and directories on the way, and nothing beside it", () => {
    const picker = pickerOf({
      "/lib64": "-> usr/lib64",
      "/usr/lib64/ld.so": "-> ../lib/deep/./ld.so.1",
      "/usr/lib/deep/ld.so.1": "-> /usr/lib/deep/ld.so.1.2",
      "/usr/lib/deep/ld.so.1.2": "linker",
      "/usr/lib/deep/other": "x",
    });
    expect(picker.take("/lib64/ld.so")).toBe("/usr/lib/deep/ld.so.1.2");
    expect(dumpTree(picker.target)).toEqual({
      "/lib64": "symlink usr/lib64",
      "/usr/lib/deep/ld.so.1": "symlink /usr/lib/deep/ld.so.1.2",
      "/usr/lib/deep/ld.so.1.2": expect.stringMatching(/^file 0644 0:0 6 /),
      "/usr/lib64/ld.so": "symlink ../lib/deep/./ld.so.1",
    });
  });

  it("keeps hard links, and takes directories whole when told so", () => {
    const picker = pickerOf({ "/a/b/c": "1", "/a/link": "-> b", "/e": "2" });
    const node = picker.source.get("/a/b/c")!;
    picker.source.set("/a/b/d", node);
    picker.takeAll("/a");
    expect(Object.keys(dumpTree(picker.target))).toEqual(["/a/b/c", "/a/b/d", "/a/link"]);
    expect(picker.target.get("/a/b/d")).toBe(picker.target.get("/a/b/c"));
  });

  it("ends where links lead nowhere, and refuses those that go round", () => {
    const picker = pickerOf({ "/gone": "-> nowhere/x", "/round": "-> round" });
    expect(picker.take("/gone")).toBeUndefined();
    expect(picker.take("/never")).toBeUndefined();
    expect(Object.keys(dumpTree(picker.target))).toEqual(["/gone"]);
    expect(() => picker.take("/round")).toThrow('cannot copy "/round": expected at most 40 symbolic links');
  });
});
