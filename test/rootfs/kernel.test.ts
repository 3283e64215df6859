import { mkdirSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { FileTree } from "@cvm-build/fs-writer";
import { kernelModulesFinisher } from "../../packages/rootfs/src/kernel/kernel-modules.ts";
import { readModuleIndex } from "../../packages/rootfs/src/kernel/module-index/reader.ts";
import { debianFiles, debianRoot } from "../support/trixie-root.ts";
import { bytesAt, forgetfulCache, profileOf, readFolder, temporaryFolder, writeFolder } from "./folder-tree.ts";

const kernel = debianFiles("trixie", ["linux-image-cloud-amd64"], /^linux-image-\d/);
const kmod = debianRoot("trixie", ["kmod", "liblzma5"]);
const MODULES = "/usr/lib/modules";

/** Files that depmod writes in the order of a hash table. */
const UNORDERED = new Set(["modules.symbols"]);

async function finish(kernelModules: string[], scratch: string): Promise<{ tree: FileTree; release: string }> {
  const tree = readFolder(kernel!, MODULES);
  const context = { profile: profileOf({ content: { kernelModules } }), cache: forgetfulCache(scratch) };
  await kernelModulesFinisher.finish(tree, context);
  return { tree, release: tree.list(MODULES)[0]! };
}

describe.skipIf(!kernel || !kmod)("kernel modules beside kmod's own tools", () => {
  it.each([
    ["all modules", []],
    [
      "a selection",
      [
        "dm-crypt",
        "dm-verity",
        "nf_tables",
        "nft_ct",
        "sev-guest",
        "tdx-guest",
        "vfat",
        "virtio_net",
        "net/",
        "-net/sched/",
      ],
    ],
  ])("depmod writes the same indexes for %s", async (_, kernelModules) => {
    using folder = temporaryFolder();
    const { tree, release } = await finish(kernelModules, folder.path);
    const root = join(folder.path, "root");
    writeFolder(tree, root, { from: MODULES });
    const out = join(folder.path, "out");
    mkdirSync(out);
    kmod!.run("usr/sbin/depmod", ["-b", root, "-o", out, "-m", MODULES, release]);
    const written = readdirSync(join(out, MODULES, release));
    expect(written).toContain("modules.dep.bin");
    for (const name of written) {
      const theirs = readFileSync(join(out, MODULES, release, name));
      const ours = bytesAt(tree, `${MODULES}/${release}/${name}`);
      if (UNORDERED.has(name)) expect(sortedLines(ours), name).toEqual(sortedLines(theirs));
      else expect(ours.equals(theirs), `${name} as depmod writes it`).toBe(true);
      if (name.endsWith(".bin")) expect(readModuleIndex(theirs).length, name).toBeGreaterThan(0);
    }
  });

  it("modprobe finds its way by them", async () => {
    using folder = temporaryFolder();
    const { tree, release } = await finish(["virtio_net"], folder.path);
    writeFolder(tree, folder.path, { from: MODULES });
    symlinkSync("usr/lib", join(folder.path, "lib"));
    const found = kmod!.run("usr/sbin/modprobe", [
      "-d",
      folder.path,
      "-S",
      release,
      "--show-depends",
      "virtio:d00000001v*",
    ]);
    expect(found.match(/[\w-]+(?=\.ko)/g)).toEqual(["failover", "net_failover", "virtio_net"]);
  });
});

function sortedLines(bytes: Buffer): string[] {
  return bytes.toString().split("\n").sort();
}
