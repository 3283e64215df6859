import { gzipSync, zstdCompressSync } from "node:zlib";
import { xz } from "@napi-rs/lzma";
import { bytesSource, FormatError, paddingTo } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { contentOf } from "../content.ts";
import { dumpTree } from "../dump-tree.ts";
import { expectValueOrFormatError, mutated } from "../fuzz.fixture.ts";
import type { FileTree } from "../file-tree.ts";
import type { TreeNode } from "../tree.ts";
import { NEWC_CRC_MAGIC, NewcHeader } from "./format.ts";
import { readCpio } from "./reader.ts";
import { CLAMP_SEC, sampleTree } from "./sample.fixture.ts";
import { readCpioTree } from "./tree.ts";
import { encodeCpio, layOutCpio, type PathAndNode } from "./writer.ts";

const origin = { kind: "artifact", name: "initrd" } as const;
const attributes = { mode: 0o644, uid: 0, gid: 0, mtimeSec: 0, origin };
const file = (text: string): TreeNode => ({ ...attributes, kind: "file", content: contentOf(text) });
const directory: TreeNode = { ...attributes, kind: "directory", mode: 0o755 };
const symlink = (target: string): TreeNode => ({ ...attributes, kind: "symlink", target });

const encode = (entries: Iterable<PathAndNode>): Buffer =>
  Buffer.concat([...encodeCpio(layOutCpio(entries, { mtimeClampSec: CLAMP_SEC }))]);
const padded = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc(paddingTo(bytes.length, 4))]);
const treeOf = (...parts: Buffer[]): FileTree => readCpioTree(bytesSource(Buffer.concat(parts)), { origin });
const sample = encode(sampleTree().entries());

/** An archive of one file with fields of its header changed. */
function patched(change: Partial<NewcHeader>): Buffer {
  const bytes = encode([["/a", file("data")]]);
  NewcHeader.encode({ ...NewcHeader.decode(bytes), ...change }).copy(bytes);
  return bytes;
}

describe("readCpioTree", () => {
  it("reads back what was written, but for extended attributes", () => {
    const expected = dumpTree(sampleTree());
    expected["/usr/bin/ping"] = expected["/usr/bin/ping"]?.replace(" +security.capability", "") ?? "";
    const tree = treeOf(sample);
    expect(dumpTree(tree)).toEqual(expected);
    expect(tree.get("/usr/bin/perl")).toBe(tree.get("/usr/bin/perl5.40"));
    expect(tree.get("/etc/hostname")?.mtimeSec).toBe(CLAMP_SEC);
    expect(tree.get("/")?.mtimeSec).toBe(1_700_000_000);
  });

  it("reads archives in a row, plain and compressed, with zeros between", () => {
    const parts = [
      padded(zstdCompressSync(encode([["/a", directory]]))),
      Buffer.alloc(512),
      encode([["/a/plain", file("1")]]),
      padded(gzipSync(encode([["/a/gzip", file("22")]]))),
      padded(
        zstdCompressSync(Buffer.concat([encode([["/a/two", file("333")]]), encode([["/a/in-one", file("4444")]])])),
      ),
      Buffer.alloc(3),
    ];
    expect(Object.entries(dumpTree(treeOf(...parts))).map(([path, line]) => `${path} ${line.slice(0, 15)}`)).toEqual([
      "/a/gzip file 0644 0:0 2",
      "/a/in-one file 0644 0:0 4",
      "/a/plain file 0644 0:0 1",
      "/a/two file 0644 0:0 3",
    ]);
  });

  it("keeps links within one archive and forgets them at its end", () => {
    const node = file("linked");
    const tree = treeOf(
      encode([
        ["/a", node],
        ["/b", node],
      ]),
      encode([
        ["/c", { ...node }],
        ["/d", node],
        ["/e", node],
      ]),
    );
    expect(tree.get("/a")).toBe(tree.get("/b"));
    expect(tree.get("/d")).toBe(tree.get("/e"));
    expect(tree.get("/d")).not.toBe(tree.get("/a"));
    expect(dumpTree(tree)).toMatchObject({ "/b": "link /a", "/e": "link /d" });
  });

  it("puts later entries over earlier ones, through links on the way", () => {
    const merged = [
      ["/usr", directory],
      ["/usr/bin", directory],
      ["/bin", symlink("usr/bin")],
    ] as const;
    const tree = treeOf(
      encode(merged),
      encode([
        ["/bin/sh", file("old")],
        ["/usr/bin/sh", file("newer")],
        ["/f", file("x")],
      ]),
      encode([["/f", directory]]),
    );
    expect(dumpTree(tree)).toMatchObject({
      "/bin": "symlink usr/bin",
      "/usr/bin/sh": expect.stringContaining(" 5 "),
      "/f": "directory 0755 0:0",
    });
  });

  it.each<[what: string, bytes: Buffer, message: string]>([
    ["an entry without a directory", encode([["/a/b", file("")]]), 'expected a directory for "/a/b"'],
    [
      "an entry behind a link to nowhere",
      encode([
        ["/a", symlink("none")],
        ["/a/b", file("")],
      ]),
      'expected a directory for "/a/b"',
    ],
    [
      "a file in place of a full directory",
      encode([
        ["/a", directory],
        ["/a/b", file("")],
        ["/a", file("")],
      ]),
      "a path without children",
    ],
    ["a name that leads out", Buffer.from(encode([["/xx/a", file("")]])).fill("..", 110, 112), 'without ".."'],
  ])("refuses %s", (_what, bytes, message) => {
    expect(() => treeOf(bytes)).toThrow(FormatError);
    expect(() => treeOf(bytes)).toThrow(message);
  });
});

describe("readCpio", () => {
  const names = (bytes: Buffer, options = {}): string[] =>
    [...readCpio(bytesSource(bytes), options)].map(({ name }) => name);

  it("reads an archive that ends without a trailer, as the kernel does", () => {
    const bytes = encode([["/a", file("data")]]);
    expect(names(bytes.subarray(0, bytes.indexOf("TRAILER!!!") - 110))).toEqual(["a"]);
    expect(names(Buffer.alloc(0))).toEqual([]);
    expect(names(Buffer.alloc(70_000))).toEqual([]);
  });

  it("compares the sum of a file under the checksum magic", () => {
    const sum = [..."data"].reduce((total, letter) => total + letter.charCodeAt(0), 0);
    expect(names(patched({ magic: NEWC_CRC_MAGIC, check: sum }))).toEqual(["a"]);
    expect(() => names(patched({ magic: NEWC_CRC_MAGIC, check: sum + 1 }))).toThrow(
      "expected data with the sum 411, got 410",
    );
  });

  it.each<[what: string, bytes: Buffer, message: string]>([
    ["half a header", sample.subarray(0, 50), "expected 110 bytes, got 50"],
    ["half an entry", encode([["/a", file("x".repeat(1000))]]).subarray(0, 300), "bytes that are left, got 1000"],
    ["another magic", patched({ magic: "070707" }), 'expected 070701 or 070702, got "070707"'],
    [
      "digits that are none",
      Buffer.from(sample).fill("-", 6, 7),
      "NewcHeader.ino at 0x6: expected eight hexadecimal digits",
    ],
    ["a name of no bytes", patched({ nameSizeBytes: 1 }), "expected 2 to"],
    ["a name beyond PATH_MAX", patched({ nameSizeBytes: 5000 }), "expected 2 to"],
    ["a name without NUL", Buffer.from(encode([["/a", file("")]])).fill("b", 111, 112), "one NUL, at its end"],
    ["a name that is no UTF-8", Buffer.from(encode([["/a", file("")]])).fill(0xff, 110, 111), "expected UTF-8"],
    ["a size that is too large", patched({ sizeBytes: 0xffffffff }), "bytes that are left, got 4294967295"],
    ["an unknown type", patched({ mode: 0o170644 }), "expected a known type"],
    ["a directory with data", patched({ mode: 0o040755 }), "expected no data in directory"],
    ["an archive that is not aligned", Buffer.concat([Buffer.alloc(2), sample]), "expected an offset aligned to 4"],
    ["bytes of no format", Buffer.from("hello"), "expected cpio, zstd or gzip, got other bytes"],
    ["xz", xz.compressSync(sample), "expected cpio, zstd or gzip, got xz"],
    ["junk in a member", zstdCompressSync(Buffer.from("junk")), "expected cpio in a compressed member"],
    [
      "junk behind an archive in a member",
      gzipSync(Buffer.concat([sample, Buffer.from("junk")])),
      "expected cpio in a compressed member",
    ],
    ["a member that ends early", padded(zstdCompressSync(sample)).subarray(0, 100), "zstd"],
  ])("refuses %s", (_what, bytes, message) => {
    expect(() => names(bytes)).toThrow(FormatError);
    expect(() => names(bytes)).toThrow(message);
  });

  it("stops at more members than anyone would need", () => {
    const members = Buffer.alloc(16 * ((1 << 14) + 1));
    const empty = padded(zstdCompressSync(Buffer.alloc(0)));
    for (let at = 0; at < members.length; at += 16) empty.copy(members, at);
    expect(() => names(members)).toThrow("expected at most 16384 compressed members");
    expect(names(members.subarray(0, 160))).toEqual([]);
  });

  it("stops at the bound, counted over all members", () => {
    const member = padded(zstdCompressSync(sample));
    expect(names(member, { maxSizeBytes: sample.length }).length).toBe(18);
    expect(() => names(member, { maxSizeBytes: sample.length - 1 })).toThrow(FormatError);
    expect(() => names(Buffer.concat([member, member]), { maxSizeBytes: 2 * sample.length - 1 })).toThrow(FormatError);
  });

  it.each([
    ["plain", sample],
    ["zstd", Buffer.concat([padded(zstdCompressSync(sample)), sample])],
    ["gzip", padded(gzipSync(sample))],
  ])("gives entries or a FormatError for mutated %s bytes", async (_what, bytes) => {
    await fc.assert(
      fc.asyncProperty(mutated(bytes), (input) =>
        expectValueOrFormatError(() => readCpioTree(bytesSource(input), { origin, maxSizeBytes: 1 << 20 })),
      ),
      { seed: 4, numRuns: 700 },
    );
  });
});
