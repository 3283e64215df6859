import { dumpTree, FileTree, type Origin, parentOf, readContent } from "@cvm-build/fs-writer";
import type { Profile } from "@cvm-build/profile";
import { describe, expect, it } from "vitest";
import { profileFixture } from "../profile.fixture.ts";
import { treeFixture } from "../tree.fixture.ts";
import { formatExtensionRelease } from "./extension-release.ts";
import { makeExtensionTree } from "./extension-tree.ts";
import { parseOsRelease } from "./os-release.ts";

const { output } = profileFixture();
const profileOf = (extension: Partial<Profile["extension"]> = {}, release = "trixie"): Profile => {
  const profile = profileFixture({}, { output: { ...output, imageId: "tools", imageVersion: "2" } });
  const distribution = { ...profile.distribution, release };
  return { ...profile, distribution, extension: { ...profile.extension, ...extension } };
};

/** A tree of paths whose text begins with their origin, such as `extra: text`. */
function treeOf(paths: Record<string, string>): FileTree {
  const tree = treeFixture(paths);
  for (const [path, text] of Object.entries(paths)) {
    const [, kind = "package", name = "test"] =
      /^(?:-> )?(extra|artifact|service|finisher)(?: ([\w-]+))?/.exec(text) ?? [];
    const node = tree.get(path.replace(/\/$/, ""));
    if (node && !path.endsWith("/")) tree.set(path, { ...node, origin: { kind: kind as Origin["kind"], name } });
  }
  return tree;
}

const textAt = (tree: FileTree, path: string): string => {
  const node = tree.get(path);
  return node?.kind === "file" ? readContent(node.content).toString() : "";
};

describe("a system extension", () => {
  it("is what is merged, and says which systems it fits", () => {
    const source = treeOf({
      "/usr/bin/strace": "x",
      "/usr/lib/x86_64-linux-gnu/libx.so.1": "-> finisher linker-cache",
      "/usr/lib/systemd/system/tool.service": "service tool",
      "/usr/lib/systemd/journald.conf.d/50-cvm.conf": "finisher services",
      "/usr/lib/os-release": "finisher os-release",
      "/usr/share/empty/": "",
      "/opt/tool/run": "artifact tool",
      "/etc/strace.conf": "x",
      "/etc/passwd": "finisher sysusers",
      "/init": "finisher init",
      "/var/lib/strace/": "",
    });
    const made = makeExtensionTree(source, { kind: "sysext", profile: profileOf() });
    expect(Object.keys(dumpTree(made.tree))).toEqual([
      "/opt/tool/run",
      "/usr/bin/strace",
      "/usr/lib/extension-release.d/extension-release.tools",
      "/usr/lib/systemd/system/tool.service",
      "/usr/lib/x86_64-linux-gnu/libx.so.1",
      "/usr/share/empty",
    ]);
    expect(made.leftOut).toEqual(["/etc/strace.conf", "/var/lib/strace"]);
    expect(made.releasePath).toBe("/usr/lib/extension-release.d/extension-release.tools");
    expect(textAt(made.tree, made.releasePath)).toBe(made.release);
    expect(made.release).toBe(
      "ID=debian\nVERSION_ID=13\nARCHITECTURE=x86-64\nSYSEXT_IMAGE_ID=tools\nSYSEXT_IMAGE_VERSION=2\nEXTENSION_RELOAD_MANAGER=1\n",
    );
    for (const path of Object.keys(dumpTree(made.tree))) expect(made.tree.get(parentOf(path))?.kind).toBe("directory");
  });

  it.each([
    ["/etc/own.conf", "extra", "sysext", "expected only what is below /usr and /opt"],
    ["/var/lib/x", "artifact", "sysext", "expected only what is below /usr and /opt"],
    ["/usr/lib/os-release", "extra", "sysext", "expected only /usr/lib/extension-release.d/extension-release.tools"],
    [
      "/usr/lib/extension-release.d/extension-release.x",
      "extra",
      "sysext",
      "expected only /usr/lib/extension-release.d/extension-release.tools",
    ],
    ["/usr/bin/x", "extra", "confext", "expected only what is below /etc"],
  ] as const)("cannot have %s of an %s in a %s", (path, origin, kind, expected) => {
    const source = treeOf({ "/usr/bin/y": "y", "/etc/y": "y", [path]: origin });
    const make = () => makeExtensionTree(source, { kind, profile: profileOf() });
    expect(make).toThrow(`cannot make a ${kind} with "${path}" of ${origin} "test": ${expected}`);
  });

  it("is not empty", () => {
    const make = () => makeExtensionTree(treeOf({ "/etc/x": "x" }), { kind: "sysext", profile: profileOf() });
    expect(make).toThrow('cannot make sysext "tools": expected files below /usr or /opt, got none');
  });
});

describe("a configuration extension", () => {
  it("is /etc of packages and of the profile, without what is one system's own", () => {
    const source = treeOf({ "/etc/app/app.conf": "extra", "/etc/passwd": "finisher sysusers", "/usr/bin/x": "x" });
    const made = makeExtensionTree(source, { kind: "confext", profile: profileOf({ level: "2", scope: ["initrd"] }) });
    expect(Object.keys(dumpTree(made.tree))).toEqual([
      "/etc/app/app.conf",
      "/etc/extension-release.d/extension-release.tools",
    ]);
    expect(made.release).toBe(
      "ID=debian\nCONFEXT_LEVEL=2\nCONFEXT_SCOPE=initrd\nARCHITECTURE=x86-64\nCONFEXT_IMAGE_ID=tools\nCONFEXT_IMAGE_VERSION=2\n",
    );
  });
});

describe("what an extension fits", () => {
  const base = (text: string) => parseOsRelease(text);
  it.each<[string, Profile, string | undefined, string]>([
    ["a version of Debian", profileOf({}, "bookworm"), undefined, "ID=debian\nVERSION_ID=12\n"],
    ["a version that is asked for", profileOf({ versionId: "12.5" }), undefined, "VERSION_ID=12.5\n"],
    ["any system", profileOf({ id: "_any" }), undefined, "ID=_any\nARCH"],
    ["a release without a version", profileOf({}, "sid"), undefined, "ID=debian\nARCH"],
    ["the version of its base", profileOf({}, "trixie"), "ID=debian\nVERSION_ID=13.2", "VERSION_ID=13.2\n"],
    ["scopes", profileOf({ scope: ["system", "initrd"] }), undefined, 'SYSEXT_SCOPE="system initrd"\n'],
  ])("is %s", (_, profile, host, expected) => {
    expect(formatExtensionRelease("sysext", profile, host === undefined ? undefined : base(host))).toContain(expected);
  });

  it("has to be known, and to be the base's", () => {
    expect(() => formatExtensionRelease("sysext", profileOf({}, "sarge"))).toThrow('a known version of "sarge"');
    const other = base('ID=fedora\nVERSION_ID=42\nIMAGE_ID="my image"');
    expect(() => formatExtensionRelease("sysext", profileOf({ versionId: "13" }), other)).toThrow(
      'cannot extend "my image": expected ID=fedora, got debian',
    );
    const newer = base("ID=debian\nVERSION_ID=14");
    expect(() => formatExtensionRelease("sysext", profileOf({ versionId: "13" }), newer)).toThrow(
      'cannot extend "debian": expected VERSION_ID=14, got 13',
    );
  });
});
