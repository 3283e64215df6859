import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type FileTree, readContent } from "@cvm-build/fs-writer";
import { assembleRootfs, assembleSystemdInitrd, type Initrd, INITRD_PURPOSES } from "@cvm-build/rootfs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CacheFixture } from "../../packages/rootfs/src/cache.fixture.ts";
import { profileFixture } from "../../packages/rootfs/src/profile.fixture.ts";
import { MINI_INIT_PROGRAM } from "../../packages/rootfs/src/initrd/mini-init-program.ts";
import { MINI_INIT_APPLETS } from "../../packages/rootfs/src/initrd/mini-init-script.ts";
import { debianArchives, debianFiles, debianRoot } from "../support/trixie-root.ts";
import { packageAt } from "./dpkg-peer.ts";
import { temporaryFolder, writeFolder } from "./folder-tree.ts";

const NAMES = ["dmsetup", "kmod", "mount", "systemd", "systemd-cryptsetup", "udev"];
const IMAGE = ["base-files", "base-passwd", "systemd", "udev", "kmod", "libtss2-esys-3.0.2-0t64"];
const TPM = ["libtss2-mu-4.0.1-0t64", "libtss2-rc0t64", "libtss2-tcti-device0t64"];

const archives = debianArchives("trixie", [...IMAGE, ...TPM, ...NAMES]);
const kernel = debianFiles("trixie", ["linux-image-cloud-amd64"], /^linux-image-\d/);
const kernelArchive = kernel === undefined ? undefined : debianArchives("trixie", ["linux-image-cloud-amd64"]);
const kmod = debianRoot("trixie", ["kmod", "liblzma5"]);

describe.skipIf(!archives || !kernelArchive || !kmod)("an initrd of trixie's packages", () => {
  const cache = new CacheFixture();
  const folder = temporaryFolder();
  let initrd: Initrd;
  let tree: FileTree;

  beforeAll(async () => {
    const linux = kernelArchive!.filter((path) => /\/linux-image-\d/.test(path));
    const packages = [...archives!, ...linux].map(packageAt);
    const input = { profile: profileFixture(), packages, artifacts: [] };
    const tools = { cache, workers: 2 };
    const root = await assembleRootfs(input, tools);
    initrd = await assembleSystemdInitrd({ ...input, root: root.tree, names: NAMES }, tools);
    tree = initrd.tree;
    writeFolder(tree, folder.path, { from: "/" });
  }, 60_000);

  afterAll(() => {
    folder[Symbol.dispose]();
    cache[Symbol.dispose]();
  });

  it("lets every program and library find its libraries in it", () => {
    const loader = join(folder.path, "usr/lib64/ld-linux-x86-64.so.2");
    const libraries = ["", "/systemd"].map((name) => join(folder.path, "usr/lib/x86_64-linux-gnu") + name).join(":");
    const objects = [...tree.entries()]
      .filter(([path, node]) => node.kind === "file" && !path.includes("/modules/") && isElf(readContent(node.content)))
      .map(([path]) => path);
    expect(objects.length).toBeGreaterThan(40);
    const found = new Set<string>();
    for (const path of objects) {
      const result = spawnSync(
        loader,
        ["--inhibit-cache", "--library-path", libraries, "--list", join(folder.path, path)],
        { encoding: "utf8" },
      );
      expect(result.stdout + result.stderr, path).not.toContain("not found");
      for (const [, place = ""] of result.stdout.matchAll(/=> (\/\S+)/g)) {
        expect(place.startsWith(folder.path), `${path} takes ${place}`).toBe(true);
        found.add(place);
      }
    }
    expect(found.size).toBeGreaterThan(15);
  });

  it("lets modprobe find what a disk and a verified file system need", () => {
    const release = tree.list("/usr/lib/modules")[0]!;
    const modulesOf = (name: string): string[] =>
      kmod!
        .run("usr/sbin/modprobe", ["-d", folder.path, "-S", release, "--show-depends", name])
        .match(/[\w-]+(?=\.ko)/g)!;
    expect(modulesOf("dm-verity").toSorted()).toEqual(["dm-bufio", "dm-mod", "dm-verity", "reed_solomon"]);
    expect(modulesOf("fs-erofs").at(-1)).toBe("erofs");
    expect(modulesOf("virtio:d00000002v*")).toEqual(["virtio_blk"]);
    expect(modulesOf("virtio:d00000008v*")).toContain("virtio_scsi");
  });

  it("has a cache of libraries that ldconfig reads", () => {
    const printed = execFileSync("/usr/sbin/ldconfig", ["-p", "-C", join(folder.path, "etc/ld.so.cache")], {
      encoding: "utf8",
    });
    expect(printed).toMatch(/libcryptsetup\.so\.12 \(libc6,x86-64\) => \/(usr\/)?lib\/x86_64-linux-gnu\//);
    for (const [, path = ""] of printed.matchAll(/=> (\S+)/g)) expect(tree.follow(path)?.kind, path).toBe("file");
  });

  it("measures what it does where the image can talk to a TPM, and is small", () => {
    expect(tree.follow("/usr/lib/x86_64-linux-gnu/libtss2-tcti-device.so.0")?.kind).toBe("file");
    const total = INITRD_PURPOSES.reduce((sum, purpose) => sum + initrd.sizes[purpose].sizeBytes, 0);
    expect(total).toBeLessThan(30e6);
    expect(initrd.sizes.modules.sizeBytes).toBeLessThan(1e6);
  });
});

const busyboxRoot = debianRoot("trixie", ["busybox"]);

describe.skipIf(!busyboxRoot)("the program of a mini-initrd and busybox of trixie", () => {
  it("have a language and programs in common", () => {
    const busybox = (...args: string[]): string => busyboxRoot!.run("usr/bin/busybox", args);
    const known = new Set(busybox("--list").split("\n"));
    expect(MINI_INIT_APPLETS.filter((name) => !known.has(name))).toEqual([]);
    using folder = temporaryFolder();
    const path = join(folder.path, "init");
    writeFileSync(path, MINI_INIT_PROGRAM);
    expect(busybox("sh", "-n", path)).toBe("");
    writeFileSync(path, `${MINI_INIT_PROGRAM}}`);
    expect(() => busybox("sh", "-n", path)).toThrow("syntax error");
  });
});

function isElf(bytes: Buffer): boolean {
  return bytes.subarray(0, 4).equals(Buffer.from("\x7fELF", "latin1"));
}
