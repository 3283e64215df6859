import { contentOf, FileTree, readContent } from "@cvm-build/fs-writer";
import { describe, expect, it } from "vitest";
import { CacheFixture } from "../cache.fixture.ts";
import { makeLibrary } from "../elf/elf.fixture.ts";
import { profileFixture } from "../profile.fixture.ts";
import { dumpLinkerCache } from "./dump.ts";
import { linkerCacheFinisher } from "./linker-cache.ts";
import { readLinkerCache } from "./reader.ts";

const origin = { kind: "package", name: "libc6" } as const;
const attributes = { mode: 0o644, uid: 0, gid: 0, mtimeSec: 0, origin };
const LIBC = Buffer.concat([
  makeLibrary({ soname: "libc.so.6" }),
  Buffer.from("\0GNU C Library (Debian GLIBC 2.41-12) stable release version 2.41.\nCopyright"),
]);

/** A merged-/usr tree; a string is a link's target, bytes are a file. */
function makeTree(nodes: Record<string, Buffer | string>): FileTree {
  const tree = new FileTree({ ...attributes, mode: 0o755 });
  tree.makeDirectories("/usr/lib/x86_64-linux-gnu", origin);
  tree.set("/lib", { ...attributes, kind: "symlink", target: "usr/lib" });
  for (const [path, node] of Object.entries(nodes)) {
    tree.makeDirectories(path.slice(0, path.lastIndexOf("/")) || "/", origin);
    if (typeof node === "string") tree.set(path, { ...attributes, kind: "symlink", target: node });
    else tree.set(path, { ...attributes, kind: "file", content: contentOf(node) });
  }
  return tree;
}

function finish(tree: FileTree) {
  using cache = new CacheFixture();
  return linkerCacheFinisher.finish(tree, { profile: profileFixture(), cache });
}

function cacheOf(tree: FileTree): string {
  const node = tree.get("/etc/ld.so.cache");
  return node?.kind === "file" ? dumpLinkerCache(readLinkerCache(readContent(node.content))) : "none";
}

const MULTIARCH = "/usr/lib/x86_64-linux-gnu";

describe("linkerCacheFinisher", () => {
  it("does nothing without glibc", async () => {
    const tree = makeTree({ [`${MULTIARCH}/libx.so.1`]: makeLibrary({ soname: "libx.so.1" }) });
    expect(await finish(tree)).toEqual({ summary: "no glibc in the tree", paths: [] });
  });

  it("finds libraries, links sonames and prefers the newest file", async () => {
    const tree = makeTree({
      [`${MULTIARCH}/libc.so.6`]: LIBC,
      [`${MULTIARCH}/libx.so.1.9`]: makeLibrary({ soname: "libx.so.1" }),
      [`${MULTIARCH}/libx.so.1.10`]: makeLibrary({ soname: "libx.so.1" }),
      [`${MULTIARCH}/liby.so.2.0`]: makeLibrary({ soname: "liby.so.2" }),
      [`${MULTIARCH}/liby.so.2`]: "liby.so.2.0",
      [`${MULTIARCH}/libgone.so.3`]: "libgone.so.3.1",
      [`${MULTIARCH}/libscript.so`]: Buffer.from("/* GNU ld script */ GROUP ( libx.so.1 ) ".padEnd(80)),
      [`${MULTIARCH}/libbad.so.1`]: Buffer.concat([Buffer.from("\x7fELF\x02\x01", "latin1"), Buffer.alloc(100, 0xff)]),
      [`${MULTIARCH}/plugin.so`]: makeLibrary({ soname: "plugin.so" }),
    });
    const effect = await finish(tree);
    expect(cacheOf(tree)).toBe(
      [
        "liby.so.2 0x303 => /lib/x86_64-linux-gnu/liby.so.2",
        "libx.so.1 0x303 => /lib/x86_64-linux-gnu/libx.so.1",
        "libc.so.6 0x303 => /lib/x86_64-linux-gnu/libc.so.6",
        "generator: ldconfig (Debian GLIBC 2.41-12) stable release version 2.41",
        "",
      ].join("\n"),
    );
    expect(tree.get(`${MULTIARCH}/libx.so.1`)).toMatchObject({ kind: "symlink", target: "libx.so.1.10" });
    expect(effect).toEqual({
      summary: `3 libraries, not read: ${MULTIARCH}/libbad.so.1`,
      paths: ["/etc", "/etc/ld.so.cache", `${MULTIARCH}/libgone.so.3`, `${MULTIARCH}/libx.so.1`],
    });
  });

  it("reads ld.so.conf, what it includes, and glibc-hwcaps", async () => {
    const tree = makeTree({
      [`${MULTIARCH}/libc.so.6`]: LIBC,
      [`${MULTIARCH}/glibc-hwcaps/x86-64-v3/libx.so.1.2`]: makeLibrary({ soname: "libx.so.1", isaNeeded: 4 }),
      "/opt/own/libx.so.1": makeLibrary({ soname: "libx.so.1" }),
      "/etc/ld.so.conf": Buffer.from("include /etc/ld.so.conf.d/*.conf # all\nhwcap 1 nosegneg\n"),
      "/etc/ld.so.conf.d/own.conf": Buffer.from("  /opt/own/ \n/nowhere\n"),
      "/etc/ld.so.conf.d/.hidden.conf": Buffer.from("/opt/hidden\n"),
    });
    await finish(tree);
    expect(cacheOf(tree).split("\n").slice(0, 2)).toEqual([
      "libx.so.1 0x303 [x86-64-v3, ISA level 2] => /lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v3/libx.so.1.2",
      "libx.so.1 0x303 => /opt/own/libx.so.1",
    ]);
  });

  it("stops where configuration files include each other", async () => {
    const tree = makeTree({
      [`${MULTIARCH}/libc.so.6`]: LIBC,
      "/etc/ld.so.conf": Buffer.from("include ld.so.conf\n"),
    });
    expect(() => finish(tree)).toThrow('cannot read "/etc/ld.so.conf": expected includes at most 16 deep');
  });
});
