import { contentOf, FileTree } from "@cvm-build/fs-writer";
import { describe, expect, it } from "vitest";
import type { Uses } from "./dissection.ts";
import { inspectSystem } from "./operating-system.ts";
import { FOUND, ROOT_ATTRIBUTES } from "./trees/found-tree.ts";

function treeOf(files: Readonly<Record<string, string>>, xattrs?: ReadonlyMap<string, Uint8Array>): FileTree {
  const tree = new FileTree(ROOT_ATTRIBUTES);
  for (const [path, text] of Object.entries(files)) {
    tree.makeDirectories(path.slice(0, path.lastIndexOf("/")) || "/", FOUND);
    tree.set(path, { ...ROOT_ATTRIBUTES, kind: "file", content: contentOf(text), ...(xattrs && { xattrs }) });
  }
  return tree;
}

const usesOf = (tree: FileTree, options: { imageName?: string; hasEsp?: boolean } = {}): string[] => {
  const { uses } = inspectSystem(tree, { imageName: "image", hasEsp: false, ...options });
  return (Object.keys(uses) as (keyof Uses)[]).filter((use) => uses[use]);
};

// That systemd-dissect says the same of such trees, test/cli/inspect.test.ts shows.
describe("inspectSystem", () => {
  const init = treeOf({ "/sbin/init": "" });
  const sysext = (name: string, text: string, xattrs?: ReadonlyMap<string, Uint8Array>): FileTree =>
    treeOf({ [`/usr/lib/extension-release.d/extension-release.${name}`]: text }, xattrs);

  it.each<[what: string, uses: string[], expected: string[]]>([
    ["a system", usesOf(init), ["useBootableContainer"]],
    ["a system with an ESP", usesOf(init, { hasEsp: true }), ["useBootableUefi", "useBootableContainer"]],
    ["an ESP without a system", usesOf(treeOf({}), { hasEsp: true }), []],
    ["an initrd", usesOf(treeOf({ "/etc/initrd-release": "ID=x\n" })), ["useInitrd"]],
    ["a portable service", usesOf(treeOf({ "/etc/os-release": "PORTABLE_PREFIXES=a\n" })), ["usePortableService"]],
    ["a sysext", usesOf(sysext("image", "ID=x\n")), ["useSystemExtension", "usePortableSystemExtension"]],
    ["a sysext for initrds", usesOf(sysext("image", "SYSEXT_SCOPE=initrd\n")), ["useInitRDSystemExtension"]],
    ["a sysext of another name", usesOf(sysext("other", "ID=x\n")), []],
  ])("finds uses: %s", (_what, uses, expected) => {
    expect(uses).toEqual(expected);
  });

  it("says why an extension would not be merged", () => {
    const tree = sysext("other", "ID=x\n");
    expect(inspectSystem(tree, { imageName: "image", hasEsp: false }).problems).toEqual([
      'this sysext is not merged under the name "image": it calls itself other',
    ]);
  });

  it("takes a name with a version, and any name where an attribute says so", () => {
    expect(usesOf(sysext("image", "ID=x\n"), { imageName: "image_1.2" })).toHaveLength(2);
    const relaxed = new Map([["user.extension-release.strict", Buffer.from("0")]]);
    expect(usesOf(sysext("other", "ID=x\n", relaxed))).toHaveLength(2);
  });

  it("follows links, and passes over files that are none of these", () => {
    const tree = treeOf({ "/usr/lib/os-release": "ID=x\nIMAGE_ID=y\n", "/etc/hostname": "x".repeat(100_000) });
    tree.set("/etc/os-release", { ...ROOT_ATTRIBUTES, kind: "symlink", target: "../usr/lib/os-release" });
    tree.set("/etc/machine-id", { ...ROOT_ATTRIBUTES, kind: "symlink", target: "machine-id" });
    const { facts } = inspectSystem(tree, { imageName: "image", hasEsp: false });
    expect(facts).toEqual({ osRelease: ["ID=x", "IMAGE_ID=y"] });
  });
});
