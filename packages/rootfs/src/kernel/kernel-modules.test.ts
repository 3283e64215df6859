import { gzipSync, zstdCompressSync } from "node:zlib";
import { CvmError, FormatError } from "@cvm-build/bytes";
import { contentOf, FileTree, readContent } from "@cvm-build/fs-writer";
import { describe, expect, it } from "vitest";
import { CacheFixture } from "../cache.fixture.ts";
import { makeModule } from "../elf/elf.fixture.ts";
import type { FinisherEffect } from "../finisher.ts";
import { profileFixture } from "../profile.fixture.ts";
import { kernelModulesFinisher } from "./kernel-modules.ts";

const origin = { kind: "package", name: "linux-image-test" } as const;
const attributes = { mode: 0o644, uid: 0, gid: 0, mtimeSec: 0, origin };
const ROOT = "/usr/lib/modules/6.12-test";

const MODULES: Record<string, Buffer> = {
  "kernel/fs/jbd2/jbd2.ko": makeModule({ modinfo: ["depends="], exports: ["journal_start"] }),
  "kernel/fs/ext4/ext4.ko.zst": zstdCompressSync(
    makeModule({
      modinfo: ["depends=mbcache,jbd2", "softdep=pre: crc32c-test", "alias=fs-ext4", "alias=pci:v[0-9]-d*"],
      needs: ["cache_get", "journal_start", "printk"],
    }),
  ),
  "kernel/fs/mbcache.ko.gz": gzipSync(makeModule({ modinfo: ["depends="], exports: ["cache_get"] })),
  "kernel/lib/crc32c-test.ko": makeModule({ modinfo: ["depends=", "alias=devname:crc", "alias=char-major-10-200"] }),
  "kernel/sound/snd.ko": makeModule({ modinfo: ["depends="] }),
};

function kernelTree(extra: Record<string, Buffer | string> = {}): FileTree {
  const tree = new FileTree({ ...attributes, mode: 0o755 });
  const files = {
    ...MODULES,
    "modules.order": "kernel/fs/mbcache.ko\nkernel/fs/jbd2/jbd2.ko\nkernel/fs/ext4/ext4.ko\nkernel/sound/snd.ko\n",
    "modules.builtin": "kernel/drivers/char/tpm/tpm_tis.ko\n",
    "modules.builtin.modinfo": "tpm_tis.alias=acpi*:PNP0C31-*\0tpm_tis.license=GPL\0",
    ...extra,
  };
  for (const [name, data] of Object.entries(files)) {
    const path = `${ROOT}/${name}`;
    tree.makeDirectories(path.slice(0, path.lastIndexOf("/")), origin);
    tree.set(path, { ...attributes, kind: "file", content: contentOf(data) });
  }
  return tree;
}

async function finish(tree: FileTree, kernelModules: string[]): Promise<FinisherEffect> {
  using cache = new CacheFixture();
  return await finishWith(tree, { kernelModules, cache });
}

function finishWith(tree: FileTree, { kernelModules, cache }: { kernelModules: string[]; cache: CacheFixture }) {
  return kernelModulesFinisher.finish(tree, { profile: profileFixture({ kernelModules }), cache } as never);
}

function text(tree: FileTree, name: string): string {
  const node = tree.get(`${ROOT}/${name}`);
  if (node?.kind !== "file") throw new Error(`no ${name}`);
  return readContent(node.content).toString("latin1");
}

function moduleNames(tree: FileTree): string[] {
  return [...tree.entries(ROOT)].map(([path]) => path.slice(ROOT.length + 1)).filter((path) => path.includes(".ko"));
}

describe("kernelModulesFinisher", () => {
  it("keeps a module with what it depends on and drops the rest, directories too", async () => {
    const tree = kernelTree();
    const effect = await finish(tree, ["ext4", "tpm_tis"]);
    expect(moduleNames(tree)).toEqual([
      "kernel/fs/ext4/ext4.ko.zst",
      "kernel/fs/jbd2/jbd2.ko",
      "kernel/fs/mbcache.ko.gz",
      "kernel/lib/crc32c-test.ko",
    ]);
    expect(tree.has(`${ROOT}/kernel/sound`)).toBe(false);
    expect(effect.summary).toBe("4 of 5 modules of 6.12-test, built in: tpm_tis");
    expect(effect.paths).toContain(`${ROOT}/kernel/sound/snd.ko`);
  });

  it("writes what depmod would", async () => {
    const tree = kernelTree();
    await finish(tree, []);
    expect(text(tree, "modules.dep")).toBe(
      [
        "kernel/fs/mbcache.ko.gz:",
        "kernel/fs/jbd2/jbd2.ko:",
        "kernel/fs/ext4/ext4.ko.zst: kernel/fs/jbd2/jbd2.ko kernel/fs/mbcache.ko.gz",
        "kernel/sound/snd.ko:",
        "kernel/lib/crc32c-test.ko:",
        "",
      ].join("\n"),
    );
    expect(text(tree, "modules.alias")).toContain("alias fs-ext4 ext4\nalias pci:v[0-9]-d* ext4\n");
    expect(text(tree, "modules.softdep")).toContain("softdep ext4 pre: crc32c-test\n");
    expect(text(tree, "modules.symbols")).toContain(
      "alias symbol:cache_get mbcache\nalias symbol:journal_start jbd2\n",
    );
    expect(text(tree, "modules.devname")).toContain("crc32c_test crc c10:200\n");
  });

  it("does the work once", async () => {
    using cache = new CacheFixture();
    const first = kernelTree();
    const second = kernelTree();
    await finishWith(first, { kernelModules: ["ext4"], cache });
    await finishWith(second, { kernelModules: ["ext4"], cache });
    expect(cache.commits).toBe(1);
    expect(text(second, "modules.dep.bin")).toBe(text(first, "modules.dep.bin"));
  });

  it("suggests names for a pattern that matches nothing", async () => {
    const failure = await finish(kernelTree(), ["ext5"]).then(undefined, (error: unknown) => error);
    expect(failure).toBeInstanceOf(CvmError);
    expect(failure).toMatchObject({
      message: 'cannot select kernel modules "ext5": expected a module of kernel 6.12-test, got no match',
      hint: "did you mean ext4?",
    });
  });

  it("takes a pattern that excludes for what it is: it must name something too", async () => {
    await expect(finish(kernelTree(), ["fs/", "-sound/snd"])).resolves.toMatchObject({
      summary: "4 of 5 modules of 6.12-test",
    });
    await expect(finish(kernelTree(), ["fs/", "-sond"])).rejects.toThrow('cannot select kernel modules "-sond"');
  });

  it("names the file of a damaged module", async () => {
    const tree = kernelTree({ "kernel/fs/mbcache.ko.gz": gzipSync(Buffer.from("no module")) });
    const failure = finish(tree, ["ext4"]);
    await expect(failure).rejects.toBeInstanceOf(FormatError);
    await expect(failure).rejects.toThrow("kernel/fs/mbcache.ko.gz");
  });

  it("refuses to keep a module whose dependency is gone", async () => {
    const tree = kernelTree();
    tree.delete(`${ROOT}/kernel/fs/jbd2/jbd2.ko`);
    await expect(finish(tree, ["ext4"])).rejects.toThrow('expected "jbd2", got no such module');
  });

  it("refuses modules that need each other", async () => {
    const tree = kernelTree({
      "kernel/a.ko": makeModule({ exports: ["a"], needs: ["b"] }),
      "kernel/b.ko": makeModule({ exports: ["b"], needs: ["a"] }),
    });
    await expect(finish(tree, [])).rejects.toThrow("expected no dependency cycle, got one among a, b");
  });

  it("has nothing to do without a kernel", async () => {
    const tree = new FileTree({ ...attributes, mode: 0o755 });
    expect(await finish(tree, ["ext4"])).toEqual({ summary: "no kernel modules in the tree", paths: [] });
  });
});
