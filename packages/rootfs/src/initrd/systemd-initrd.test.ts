import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dumpTree, readContent } from "@cvm-build/fs-writer";
import type { ContentSettings } from "@cvm-build/profile";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FetchedPackage } from "../assemble.ts";
import { CacheFixture } from "../cache.fixture.ts";
import { makeDeb, writeDeb, writePackage } from "../deb.fixture.ts";
import { makeLibrary, makeModule } from "../elf/elf.fixture.ts";
import { profileFixture } from "../profile.fixture.ts";
import { treeFixture } from "../tree.fixture.ts";
import type { Initrd } from "./package-source.ts";
import { assembleSystemdInitrd } from "./systemd-initrd.ts";
import { REQUIRED_FILES } from "./systemd-parts.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "cvm-build-initrd-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const UNITS = "/usr/lib/systemd/system";
const KERNEL = "/usr/lib/modules/6.1";
const ROOT = treeFixture({
  "/etc/passwd": "root:x:0:0:::\n",
  "/etc/group": "root:x:0:\n",
  "/etc/shadow": "root:*:::::::\n",
  "/usr/lib/os-release": "ID=debian\nIMAGE_ID=test\n",
  "/etc/os-release": "-> ../usr/lib/os-release",
});

/** What systemd and its company bring that a test needs, beside the files without which there is no initrd. */
const EXTRA: Record<string, Record<string, string>> = {
  systemd: {
    [`${UNITS}/sysinit.target`]: "[Unit]\n",
    [`${UNITS}/getty@.service`]: "[Service]\n",
    [`${UNITS}/emergency.service`]: "[Service]\nExecStart=sulogin\n",
    [`${UNITS}/initrd.target.d/10-more.conf`]: "[Unit]\n",
    "/usr/lib/systemd/system-generators/systemd-gpt-auto-generator": "x",
    "/usr/share/man/man1/init.1": "x",
  },
  kmod: { "/usr/bin/kmod": "x" },
};

async function makeInitrd(
  change: { names?: string[]; without?: string; content?: Partial<ContentSettings> } = {},
): Promise<Initrd> {
  const names = [...new Set(Object.values(REQUIRED_FILES))].sort();
  const directory = mkdtempSync(join(folder, "debs-"));
  const packages = names.map((name): FetchedPackage => {
    const required = Object.entries(REQUIRED_FILES).filter(
      ([path, owner]) => owner === name && path !== change.without && path !== "/usr/sbin/modprobe",
    );
    const entries =
      name === "kmod" ? [{ name: "./usr/sbin/modprobe", type: "symlink" as const, linkname: "../bin/kmod" }] : [];
    const files = { ...Object.fromEntries(required.map(([path]) => [path, "x"])), ...EXTRA[name] };
    const written = writeDeb(directory, { name, files, entries });
    return { ...written, locked: { ...written.locked, role: name === "systemd" ? "image" : "initrd" } };
  });
  const module = (recipe: Parameters<typeof makeModule>[0]) => makeModule(recipe).toString("latin1");
  const kernel = makeDeb({
    name: "linux",
    entries: [
      { name: `.${KERNEL}/modules.builtin`, bytes: Buffer.from("kernel/fs/tmpfs.ko\n") },
      { name: `.${KERNEL}/modules.builtin.modinfo`, bytes: Buffer.from("") },
      { name: `.${KERNEL}/modules.order`, bytes: Buffer.from("") },
      { name: `.${KERNEL}/kernel/erofs.ko`, bytes: Buffer.from(module({ modinfo: ["depends=crc"] }), "latin1") },
      { name: `.${KERNEL}/kernel/crc.ko`, bytes: Buffer.from(module({}), "latin1") },
      { name: `.${KERNEL}/kernel/sound.ko`, bytes: Buffer.from(module({}), "latin1") },
    ],
  });
  const tool = makeDeb({
    name: "tool",
    entries: [
      { name: "./usr/bin/tool", mode: 0o755, bytes: makeLibrary({ needed: ["libtool.so.1"] }) },
      { name: "./usr/lib/libtool.so.1", bytes: makeLibrary({ soname: "libtool.so.1" }) },
      { name: "./usr/share/doc/tool/README", bytes: Buffer.from("x") },
      { name: "./usr/share/locale/de/tool.mo", bytes: Buffer.from("x") },
    ],
  });
  packages.push(
    writePackage(directory, { name: "linux", bytes: kernel }),
    writePackage(directory, { name: "tool", bytes: tool }),
    writeDeb(directory, { name: "unused", files: { "/usr/bin/unused": "x" } }),
  );
  const profile = profileFixture(change.content);
  const input = { profile, packages, artifacts: [], root: ROOT, names: [...names, ...(change.names ?? [])] };
  return assembleSystemdInitrd(input, { cache: new CacheFixture(folder), workers: 1 });
}

describe("an initrd with systemd", () => {
  it("has what it takes to find the root file system, and nothing of a whole system", async () => {
    const { tree, sizes } = await makeInitrd({ names: ["tool"], content: { removePackages: ["tool", "unused"] } });
    const paths = Object.keys(dumpTree(tree));
    for (const path of Object.keys(REQUIRED_FILES)) expect(tree.follow(path)?.kind, path).toBe("file");
    expect(paths).toContain(`${UNITS}/initrd.target.d/10-more.conf`);
    expect(paths).toContain("/usr/bin/tool");
    const unwanted = /getty|gpt-auto|unused|\/share\/|shadow|sound\.ko|modules\.order|modules\.alias$/;
    expect(paths.filter((path) => unwanted.test(path))).toEqual([]);
    expect(dumpTree(tree)).toMatchObject({
      "/bin": "symlink usr/bin",
      "/sbin": "symlink usr/sbin",
      "/init": "symlink usr/lib/systemd/systemd",
      "/etc/initrd-release": "symlink ../usr/lib/initrd-release",
      "/etc/passwd": expect.stringMatching(/^file 0644 0:0 14 /),
      "/usr/lib/libtool.so.1": expect.stringMatching(/^file/),
      [`${KERNEL}/kernel/erofs.ko`]: expect.stringMatching(/^file/),
      [`${KERNEL}/kernel/crc.ko`]: expect.stringMatching(/^file/),
      [`${KERNEL}/modules.dep.bin`]: expect.stringMatching(/^file/),
    });
    expect(sizes.modules.fileCount).toBe(11);
    expect(sizes.libraries.fileCount).toBe(1);
    expect(Object.keys(sizes)).toEqual(["modules", "systemd", "libraries", "programs", "configuration"]);
  });

  it("is what the image is, and switches off where it cannot go on", async () => {
    const { tree } = await makeInitrd();
    const textOf = (path: string): string => {
      const node = tree.follow(path);
      return node?.kind === "file" ? readContent(node.content).toString() : "";
    };
    expect(textOf("/etc/initrd-release")).toBe("ID=debian\nIMAGE_ID=test\n");
    expect(textOf("/etc/os-release")).toBe("ID=debian\nIMAGE_ID=test\n");
    expect(textOf(`${UNITS}/emergency.service`)).toContain("SuccessAction=poweroff-force");
    expect(tree.has("/usr/bin/tool")).toBe(false);
  });

  it("keeps extensions beside the UKI for a system that merges them", async () => {
    const path = "/usr/lib/tmpfiles.d/cvm-extensions.conf";
    expect((await makeInitrd()).tree.has(path)).toBe(false);
    expect((await makeInitrd({ content: { mergeExtensions: "measured" } })).tree.has(path)).toBe(true);
  });

  it("takes the modules that it is told to take", async () => {
    const { tree } = await makeInitrd({ content: { kernelInitrdModules: ["sound"] } });
    expect(tree.list(`${KERNEL}/kernel`)).toEqual(["sound.ko"]);
    await expect(makeInitrd({ content: { kernelInitrdModules: ["souns"] } })).rejects.toMatchObject({
      code: "kernel-modules",
      details: { setting: "KernelInitrdModules", pattern: "souns" },
    });
  });

  it("is refused without what it needs", async () => {
    const without = "/usr/lib/systemd/systemd-veritysetup";
    await expect(makeInitrd({ without })).rejects.toThrow(
      `cannot make the initrd: expected "${without}" of package "systemd-cryptsetup", got no such file`,
    );
  });
});
