import { bytesSource, CvmError, sha256Hex } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { dumpTree } from "../dump-tree.ts";
import type { TreeNode } from "../tree.ts";
import { encodeTable } from "./allocation-table.ts";
import { dumpVfat } from "./dump.ts";
import { readVfatTree } from "./reader.ts";
import { CLAMP_SEC, file, OPTIONS, ORIGIN, sampleTree, treeOf, volumeOf } from "./sample.fixture.ts";
import { writeVfat } from "./writer.ts";

const MEBIBYTE = 1 << 20;

describe("writeVfat", () => {
  it("writes a tree", async () => {
    const { bytes, ...written } = await volumeOf(sampleTree());
    expect(written).toEqual({ sizeBytes: MEBIBYTE, variant: "fat12", clusterBytes: 2048 });
    expect(dumpVfat(bytesSource(bytes))).toMatchInlineSnapshot(`
      "fat12 label="ESP" serial=1234abcd
      sectors=2048 cluster=4 reserved=4 tables=2x4
      root=512 data=44 clusters=501
      directory 0755 @315532800 /EFI
      file 0755 @1700000000 11 03d66dd0 /Főtanúsítvány.crt
      file 0755 @1700000000 3 990cb8eb /a b+c.longer
      file 0755 @1700000000 13 bbdb4294 /exactly13.efi
      directory 0755 @315532800 /loader
      directory 0755 @315532800 /EFI/BOOT
      directory 0755 @315532800 /EFI/Linux
      file 0755 @1700000000 7000 8b457ab2 /EFI/BOOT/BOOTX64.EFI
      file 0755 @315532800 8 e43ef40b /EFI/Linux/cvm-build-reth-node_1.0+2.efi
      file 0755 @1757635200 30000 eaa654e0 /EFI/Linux/cvm-build-reth-node_1.0+3.efi
      file 0755 @1700000000 0 e3b0c442 /loader/empty
      file 0755 @1700000000 6 067fc514 /loader/entries.srel
      "
    `);
    expect(sha256Hex(bytes)).toMatchInlineSnapshot(
      `"f1e731891b03218bc4ce3bd14d8d26d5d1d04a78e7cb3916b4cb91bb13d6f3fa"`,
    );
  });

  it.each(["fat12", "fat16", "fat32"] as const)("grows %s until everything fits", async (variant) => {
    const tree = treeOf({ "/big": file(Buffer.alloc(9 * MEBIBYTE, 7)), "/small": file("1") });
    const { bytes, ...written } = await volumeOf(tree, { variant });
    expect(written.variant).toBe(variant);
    expect(written.sizeBytes).toBe({ fat12: 10, fat16: 10, fat32: 33 }[variant] * MEBIBYTE);
    expect(Object.keys(dumpTree(readVfatTree(bytesSource(bytes), { origin: ORIGIN })))).toEqual(["/big", "/small"]);
  });

  it("gives the same bytes for the same tree, whatever was at its place", async () => {
    const first = await volumeOf(sampleTree(), { variant: "fat16" });
    const again = await volumeOf(sampleTree(), { variant: "fat16" });
    expect(again.bytes.equals(first.bytes)).toBe(true);
    const other = await volumeOf(sampleTree(), { variant: "fat16", serial: 1 });
    expect(other.bytes.equals(first.bytes)).toBe(false);
  });

  it("has room for a root directory of more than 512 entries", async () => {
    const files = Array.from({ length: 3000 }, (_, at) => [`/a long name of number ${at}`, file(`${at}`)] as const);
    const { bytes } = await volumeOf(treeOf(Object.fromEntries(files)), { variant: "fat12" });
    const tree = readVfatTree(bytesSource(bytes), { origin: ORIGIN });
    expect(tree.list("/").length).toBe(3000);
    expect(tree.get("/a long name of number 2999")).toMatchObject({ content: { sizeBytes: 4 } });
  });

  const attributes = { mode: 0o644, uid: 0, gid: 0, mtimeSec: 0, origin: ORIGIN };
  const symlink: TreeNode = { ...attributes, kind: "symlink", target: "x" };
  const fifo: TreeNode = { ...attributes, kind: "fifo" };
  const plain = file("");
  const huge: TreeNode = { ...plain, content: { ...plain.content, sizeBytes: 2 ** 32 } };
  it.each<[what: string, node: TreeNode, message: string]>([
    ["a symbolic link", symlink, 'cannot pack symlink "/x": expected a file or a directory'],
    ["a fifo", fifo, 'cannot pack fifo "/x": expected a file or a directory'],
    ["a file of 4 GiB", huge, 'cannot pack file "/x": expected at most 4294967295 bytes, got 4294967296'],
  ])("refuses %s", async (_what, node, message) => {
    const tree = treeOf({});
    tree.set("/x", node);
    await expect(volumeOf(tree)).rejects.toThrow(CvmError);
    await expect(volumeOf(tree)).rejects.toThrow(message);
  });

  it.each<[what: string, options: object, message: string]>([
    ["a label in lower case", { label: "esp" }, "eleven upper-case letters"],
    ["a label that is too long", { label: "LONGER-LABEL" }, "eleven upper-case letters"],
    ["a serial of 33 bits", { serial: 2 ** 32 }, "a serial of 32 bits"],
    ["half a sector", { sizeBytes: MEBIBYTE + 256 }, "whole sectors of 512 bytes"],
    ["a size that is too small for what is in it", { sizeBytes: 64 * 512 }, "expected at least 47104 bytes more"],
    ["a size that FAT32 does not have", { sizeBytes: MEBIBYTE, variant: "fat32" }, "a size that fat32 has volumes of"],
  ])("refuses %s", async (_what, options, message) => {
    await expect(volumeOf(sampleTree(), options)).rejects.toThrow(message);
  });

  it("says which directory has too many entries", async () => {
    const files = Array.from({ length: 33000 }, (_, at) => [`/d/n${at}x`, plain] as const);
    await expect(volumeOf(treeOf(Object.fromEntries(files)))).rejects.toThrow(
      'cannot pack directory "/d": expected at most 65536 entries with the parts of long names, got 66002',
    );
  });

  it("leaves nothing where a content has changed", async () => {
    const node = file("data");
    const output = "/proc/self/no-such-folder/esp.img";
    await expect(writeVfat(treeOf({ "/a": node }), { ...OPTIONS, output })).rejects.toThrow("ENOENT");
    const changed = { ...node, content: { ...node.content, sha256: sha256Hex("other") } };
    await expect(volumeOf(treeOf({ "/a": changed }))).rejects.toThrow("expected content with SHA-256");
  });

  it("has times of 1980 at the earliest and of the clamp at the latest", async () => {
    const { bytes } = await volumeOf(treeOf({ "/old": file("", 5), "/new": file("", 2 ** 33) }));
    const tree = readVfatTree(bytesSource(bytes), { origin: ORIGIN });
    expect(tree.get("/old")?.mtimeSec).toBe(Date.UTC(1980, 0, 1) / 1000);
    expect(tree.get("/new")?.mtimeSec).toBe(CLAMP_SEC - 1);
  });
});

describe("encodeTable", () => {
  // Two chains of two clusters and one of one; twelve bits at a time, low bits first.
  const runs = [
    { first: 2, count: 2 },
    { first: 4, count: 1 },
    { first: 5, count: 2 },
  ];
  it.each([
    ["fat12", "f8ffff03f0ffff6f00ff0f"],
    ["fat16", "f8ffffff0300ffffffff0600ffff"],
    ["fat32", "f8ffff0fffffff0f03000000ffffff0fffffff0f06000000ffffff0f"],
  ] as const)("links clusters of %s", (variant, hex) => {
    expect(encodeTable(variant, runs).toString("hex")).toBe(hex);
  });
});
