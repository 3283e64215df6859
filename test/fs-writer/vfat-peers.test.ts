import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, statSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { bytesSource, openFileSource } from "@cvm-build/bytes";
import {
  contentOf,
  dumpTree,
  FileTree,
  openVfat,
  readContent,
  readVfatTree,
  type TreeNode,
  type VfatOptions,
  writeVfat,
} from "@cvm-build/fs-writer";
import { describe, expect, it } from "vitest";
import { requirePeers } from "../support/peers.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const MEBIBYTE = 1 << 20;
const MTIME_SEC = 1_700_000_000;
const origin = { kind: "artifact", name: "esp" } as const;
const attributes = { mode: 0o755, uid: 0, gid: 0, mtimeSec: MTIME_SEC, origin };
const VARIANTS = ["fat12", "fat16", "fat32"] as const;

const FILES: Readonly<Record<string, string>> = {
  "/EFI/BOOT/BOOTX64.EFI": "MZ boot".repeat(100_000),
  "/EFI/Linux/cvm-build-reth-node_1.0+3.efi": "MZ uki".repeat(5000),
  "/EFI/Linux/cvm-build-reth-node_1.0+2.efi": "MZ older",
  "/EFI/Linux/lower.efi": "lower",
  "/EFI/Linux/UPPER.EFI": "upper",
  "/EFI/Linux/exactly13.efi": "13 characters",
  "/EFI/Linux/exactly-26-characters.conf": "26 characters",
  "/loader/empty": "",
  "/loader/a b+c,d;e=[f].longer": "odd",
  "/Főtanúsítvány.crt": "certificate",
  [`/${"n".repeat(240)}`]: "long",
};

function sampleTree(many = 0): FileTree {
  const tree = new FileTree(attributes);
  const put = (path: string, content: string): void => {
    tree.makeDirectories(dirname(path), origin);
    tree.set(path, { ...attributes, kind: "file", content: contentOf(content) } satisfies TreeNode);
  };
  for (const [path, content] of Object.entries(FILES)) put(path, content);
  for (let at = 0; at < many; at++) put(`/many/entry of number ${at}.conf`, `${at}`);
  return tree;
}

const environment = { ...process.env, TZ: "UTC", LC_ALL: "C.UTF-8", MTOOLS_SKIP_CHECK: "1" };
const peer = (program: string, ...args: string[]): Buffer =>
  execFileSync(program, args, {
    env: { ...environment, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` },
    maxBuffer: 1 << 26,
    stdio: ["ignore", "pipe", "pipe"],
  });
const write = (tree: FileTree, output: string, options: Partial<VfatOptions> = {}) =>
  writeVfat(tree, { label: "CVM ESP", serial: 0xcafe1234, mtimeClampSec: MTIME_SEC, ...options, output });

/** Clean in every pass: `-V` reads everything a second time. */
function expectClean(image: string): string {
  const { status, stdout } = spawnSync("fsck.vfat", ["-n", "-V", "-v", image], {
    env: { ...environment, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` },
    encoding: "utf8",
  });
  expect(status, stdout).toBe(0);
  return stdout;
}

describe.skipIf(!requirePeers("fsck.vfat", "mdir", "mcopy", "mlabel"))("volumes that were written", () => {
  it.each(VARIANTS)("are clean and list what is in them: %s", async (variant) => {
    using folder = temporaryFolder();
    const image = join(folder.path, "esp.img");
    const tree = sampleTree(variant === "fat12" ? 0 : 2000);
    await write(tree, image, { variant });

    const report = expectClean(image);
    expect(report).toContain(`${variant.slice(3)} bit entries`);
    expect(report).not.toMatch(/differ|wrong|dirty|orphan|summary wrong/i);
    const listed = peer("mdir", "-i", image, "-/", "-a", "-b", "::").toString().trim().split("\n");
    const paths = [...tree.entries("/")].filter(([path]) => path !== "/");
    const expected = paths.map(([path, { kind }]) => `::${path}${kind === "directory" ? "/" : ""}`);
    expect(listed.sort()).toEqual(expected.sort());
    expect(peer("mlabel", "-i", image, "-s", "::").toString()).toContain("CVM ESP");
    expect(peer("mdir", "-i", image, "::").toString()).toContain("Volume Serial Number is CAFE-1234");
  });

  it.each(VARIANTS)("hold what was put in them: %s", async (variant) => {
    using folder = temporaryFolder();
    const image = join(folder.path, "esp.img");
    await write(sampleTree(), image, { variant });
    const out = join(folder.path, "out");
    mkdirSync(out);
    peer("mcopy", "-i", image, "-s", "-m", "-p", "-n", "::*", out);
    for (const [path, content] of Object.entries(FILES)) {
      expect(readFileSync(join(out, path), "utf8"), path).toBe(content);
      expect(statSync(join(out, path)).mtimeMs / 1000, path).toBe(MTIME_SEC);
    }
  });

  it.each([1, 3, 8, 20, 100, 300, 511, 512, 700])(
    "are of the variant that mkfs.fat chooses for %i MiB",
    async (size) => {
      using folder = temporaryFolder();
      const [own, theirs] = [join(folder.path, "own.img"), join(folder.path, "theirs.img")];
      const written = await write(new FileTree(attributes), own, { sizeBytes: size * MEBIBYTE });
      writeFileSync(theirs, "");
      truncateSync(theirs, size * MEBIBYTE);
      peer("mkfs.fat", theirs);
      using source = openFileSource(theirs);
      expect(written.variant).toBe(openVfat(source).geometry.variant);
      expectClean(own);
      // Nothing lies in it yet, so that it takes no room but that of its tables.
      expect(statSync(own).blocks * 512).toBeLessThan(256 * 1024);
    },
  );
});

describe.skipIf(!requirePeers("mkfs.fat", "mcopy", "mmd", "mattrib"))("volumes of mkfs.fat and mtools", () => {
  const VOLUMES: readonly (readonly [variant: string, sizeMebibytes: number, args: string[]])[] = [
    ["fat12", 3, ["-F", "12"]],
    ["fat12", 1.44 / 1.024, ["-F", "12", "-s", "1", "-f", "1", "-r", "224"]],
    ["fat16", 20, ["-F", "16", "-s", "4"]],
    ["fat32", 40, ["-F", "32", "-s", "1"]],
    ["fat32", 300, ["-F", "32", "-R", "64"]],
    ["fat32", 300, ["-F", "32", "-S", "4096", "-s", "1"]],
    ["fat16", 40, ["-F", "16", "-S", "2048"]],
  ];

  it.each(VOLUMES)("are read: %s of %f MiB", (variant, sizeMebibytes, args) => {
    using folder = temporaryFolder();
    const image = join(folder.path, "esp.img");
    writeFileSync(image, "");
    truncateSync(image, Math.floor((sizeMebibytes * MEBIBYTE) / 512) * 512);
    peer("mkfs.fat", ...args, "-n", "LABEL", "-i", "0badcafe", image);
    const tree = new FileTree(attributes);
    const fill = (path: string, content: string): void => {
      const source = join(folder.path, "file");
      writeFileSync(source, content);
      utimesSync(source, MTIME_SEC, MTIME_SEC);
      peer("mcopy", "-i", image, "-m", source, `::${path}`);
      tree.makeDirectories(dirname(path), origin);
      tree.set(path, { ...attributes, kind: "file", content: contentOf(content) });
    };
    for (const directory of ["/EFI", "/EFI/BOOT", "/EFI/Linux", "/loader"]) peer("mmd", "-i", image, `::${directory}`);
    for (const [path, content] of Object.entries(FILES)) fill(path, content);
    // What was removed leaves a hole, into which the next file goes in pieces.
    peer("mdel", "-i", image, "::/EFI/Linux/lower.efi");
    peer("mdel", "-i", image, "::/EFI/Linux/cvm-build-reth-node_1.0+3.efi");
    for (const path of ["/EFI/Linux/lower.efi", "/EFI/Linux/cvm-build-reth-node_1.0+3.efi"]) tree.delete(path);
    fill("/EFI/Linux/in pieces.efi", "MZ pieces".repeat(10_000));
    peer("mattrib", "-i", image, "+r", "::/EFI/Linux/UPPER.EFI");

    using source = openFileSource(image);
    const volume = openVfat(source);
    expect([volume.geometry.variant, volume.label, volume.serial]).toEqual([variant, "LABEL", 0x0badcafe]);
    const read = readVfatTree(source, { origin });
    expect([...read.entries()].map(([path]) => path)).toEqual([...tree.entries()].map(([path]) => path));
    for (const [path, node] of tree.entries()) {
      const found = read.get(path);
      if (node.kind !== "file" || found?.kind !== "file") continue;
      expect(readContent(found.content).equals(readContent(node.content)), path).toBe(true);
      expect(found.mtimeSec, path).toBe(MTIME_SEC);
    }
    expect(dumpTree(read)["/EFI/Linux/UPPER.EFI"]).toMatch(/^file 0555/);
    expect(dumpTree(readVfatTree(bytesSource(readFileSync(image)), { origin }))).toEqual(dumpTree(read));
  });

  // mtools does not take it; Linux does, and systemd-repart asks for it.
  it("are read: FAT32 with fewer clusters than FAT32 has", () => {
    using folder = temporaryFolder();
    const image = join(folder.path, "esp.img");
    writeFileSync(image, "");
    truncateSync(image, 40 * MEBIBYTE);
    peer("mkfs.fat", "-F", "32", "-S", "4096", "-n", "LABEL", image);
    using source = openFileSource(image);
    const { geometry, label } = openVfat(source);
    expect([geometry.variant, geometry.sectorBytes, label]).toEqual(["fat32", 4096, "LABEL"]);
    expect(dumpTree(readVfatTree(source, { origin }))).toEqual({ "/": "directory 0755 0:0" });
  });
});
