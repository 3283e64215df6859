import { describe, expect, it } from "vitest";
import { matchPaths, removeMatches } from "./glob.ts";
import { treeFixture } from "./tree.fixture.ts";

const tree = () =>
  treeFixture({
    "/bin": "-> usr/bin",
    "/usr/bin/a": "",
    "/usr/bin/b.sh": "",
    "/usr/lib/modules/6.1/vmlinuz": "",
    "/usr/lib/modules/6.1/kernel/fs/ext4.ko": "",
    "/usr/lib/modules/6.2/vmlinuz-x": "",
    "/usr/share/x/.hidden": "",
    "/usr/share/[odd]": "",
    "/loop": "-> loop",
    "/out": "-> ../../etc",
    "/etc/passwd": "",
  });

describe("matchPaths", () => {
  it.each([
    ["/usr/bin/a", ["/usr/bin/a"]],
    ["usr/bin/a", ["/usr/bin/a"]],
    ["/bin/a", ["/usr/bin/a"]],
    ["/bin", ["/bin"]],
    ["/b*", ["/bin"]],
    ["/b*/a", []],
    ["/usr/bin/*", ["/usr/bin/a", "/usr/bin/b.sh"]],
    ["/usr/bin/?", ["/usr/bin/a"]],
    ["/usr/bin/[!a]*", ["/usr/bin/b.sh"]],
    ["/usr/lib/modules/*/vmlinuz*", ["/usr/lib/modules/6.1/vmlinuz", "/usr/lib/modules/6.2/vmlinuz-x"]],
    ["/usr/**/*.ko", ["/usr/lib/modules/6.1/kernel/fs/ext4.ko"]],
    ["/usr/lib/**/vmlinuz", ["/usr/lib/modules/6.1/vmlinuz"]],
    ["/usr/share/x/*", ["/usr/share/x/.hidden"]],
    ["/usr/share/\\[odd]", ["/usr/share/[odd]"]],
    ["/usr/share/*/", ["/usr/share/x"]],
    ["/loop/x", []],
    ["/nothing/*", []],
  ])("%s", (pattern, paths) => {
    expect(matchPaths(tree(), pattern)).toEqual(paths);
  });

  it.each(["/", "", "/usr/../etc", "."])("refuses %j", (pattern) => {
    expect(() => matchPaths(tree(), pattern)).toThrow(`cannot match "${pattern}"`);
  });
});

describe("removeMatches", () => {
  it("removes links, not what they lead to, and directories with all that is in them", () => {
    const changed = tree();
    expect(removeMatches(changed, ["/bin", "/usr/lib/modules/**", "/usr/share/x/", "/out"])).toEqual([
      "/bin",
      "/usr/lib/modules/6.1",
      "/usr/lib/modules/6.2",
      "/usr/share/x",
      "/out",
    ]);
    expect([...changed.entries()].map(([path]) => path)).toEqual([
      "/",
      "/etc",
      "/etc/passwd",
      "/loop",
      "/usr",
      "/usr/bin",
      "/usr/bin/a",
      "/usr/bin/b.sh",
      "/usr/lib",
      "/usr/lib/modules",
      "/usr/share",
      "/usr/share/[odd]",
    ]);
  });
});
