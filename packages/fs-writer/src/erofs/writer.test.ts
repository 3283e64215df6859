import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesSource, type FormatError, sha256Hex } from "@cvm-build/bytes";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { contentOf } from "../content.ts";
import { dumpTree } from "../dump-tree.ts";
import type { FileTree } from "../file-tree.ts";
import type { Content, TreeNode } from "../tree.ts";
import { dumpErofs } from "./dump.ts";
import { readErofsTree } from "./read-tree.ts";
import { sampleNodes, treeOf } from "./sample.fixture.ts";
import { type ErofsOptions, writeErofs } from "./writer.ts";

const CLAMP_SEC = 1_757_635_200;
const OPTIONS = { uuid: "8be4df61-93ca-81d2-aa0d-00e098032b8c", mtimeClampSec: CLAMP_SEC, threads: 1 };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cvm-erofs-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function write(tree: FileTree, options: Partial<ErofsOptions> = {}): Promise<Buffer> {
  const output = join(folder, "image");
  const { sizeBytes } = await writeErofs(tree, { ...OPTIONS, ...options, output });
  const bytes = readFileSync(output);
  expect(bytes.length).toBe(sizeBytes);
  return bytes;
}

function fileOf(content: Content): TreeNode {
  const origin = { kind: "package", name: "sample" } as const;
  return { kind: "file", mode: 0o644, uid: 0, gid: 0, mtimeSec: 0, origin, content };
}

describe("writeErofs", () => {
  it("writes the layout that its dump tells", async () => {
    const image = await write(treeOf(sampleNodes()), { label: "sample" });
    expect(dumpErofs(bytesSource(image))).toBe(GOLDEN);
    expect(sha256Hex(image)).toBe(GOLDEN_SHA256);
  });

  it("is read back as the tree that was written", async () => {
    const tree = treeOf(sampleNodes());
    const image = await write(tree);
    const contentFolder = join(folder, "contents");
    expect(dumpTree(readErofsTree(bytesSource(image), { contentFolder }))).toEqual(dumpTree(tree));
  });

  it("has the same bytes in whatever order the tree was filled", async () => {
    const nodes = [...sampleNodes()].sort(([a], [b]) => a.length - b.length || (a < b ? 1 : -1));
    expect((await write(treeOf(nodes))).equals(await write(treeOf(sampleNodes())))).toBe(true);
  });

  it.each([
    { files: 33, options: {} },
    { files: 33, options: { chunkBytes: 1 << 16 } },
    { files: 6, options: { compression: { algorithm: "lz4" } as const } },
  ])("has the same bytes whatever the number of threads: $files files, $options", async ({ files, options }) => {
    const nodes = Array.from({ length: files }, (_, index) => {
      const bytes = Buffer.alloc(500_000 + index * 1111, `${index} and ${index * index}, `);
      return [`/${index}`, fileOf(contentOf(bytes))] as const;
    });
    const one = sha256Hex(await write(treeOf(nodes), options));
    expect(sha256Hex(await write(treeOf(nodes), { ...options, threads: 3 }))).toBe(one);
  });

  it("leaves out holes and stores equal chunks once", async () => {
    const [a, hole] = [Buffer.alloc(8192, "a"), Buffer.alloc(8192)];
    const file = (...parts: Buffer[]): TreeNode => fileOf(contentOf(Buffer.concat(parts)));
    const tree = treeOf([
      ["/aha", file(a, hole, a)],
      ["/holes", file(hole, hole)],
      ["/plain", file(Buffer.alloc(8192, "p"))],
    ]);
    const dump = dumpErofs(bytesSource(await write(tree, { chunkBytes: 8192 })));
    expect(dump).toContain("chunkBased 24576 /aha [stored 8192 at 1+0] [hole 8192] [stored 8192 at 1+0]\n");
    expect(dump).toContain("chunkBased 16384 /holes [hole 16384]\n");
    expect(dump).toContain("flatPlain 8192 /plain [stored 8192 at 3+0]\n");
  });

  it("is sparse on disk where it holds zeros", async () => {
    const tree = treeOf([["/zeros", fileOf(contentOf(Buffer.alloc(4 << 20)))]]);
    await write(tree);
    const { size, blocks } = statSync(join(folder, "image"));
    expect(size).toBeGreaterThan(4 << 20);
    expect(blocks * 512).toBeLessThan(1 << 20);
  });

  it("hashes the image where it is asked to", async () => {
    const output = join(folder, "image");
    const { sha256 } = await writeErofs(treeOf([]), { ...OPTIONS, output, isHashed: true });
    expect(sha256).toBe(sha256Hex(readFileSync(output)));
  });
});

describe("writeErofs refuses", () => {
  it.each([100, 5000, 2_000_000])("a content of %i bytes that has changed, and leaves nothing", async (sizeBytes) => {
    const path = join(folder, "content");
    const { sha256 } = contentOf(Buffer.alloc(sizeBytes, 1));
    writeFileSync(path, Buffer.alloc(sizeBytes, 2));
    const tree = treeOf([["/changed", fileOf({ sizeBytes, sha256, file: { path, offsetBytes: 0 } })]]);
    for (const options of [{}, { chunkBytes: 4096 }]) {
      const expected = `expected content with SHA-256 ${sha256}`;
      await expect(write(tree, options)).rejects.toThrow(expected);
      await expect(write(tree, options)).rejects.toMatchObject({ name: "FormatError" } satisfies Partial<FormatError>);
      expect(existsSync(join(folder, "image"))).toBe(false);
    }
  });

  const plain = fileOf(contentOf("x"));
  it.each<[string, string, TreeNode]>([
    ["a name of 256 bytes", `/${"n".repeat(256)}`, plain],
    ["half a surrogate pair", "/\ud800", plain],
    ["a negative owner", "/x", { ...plain, uid: -1 }],
    ["an owner beyond 32 bits", "/x", { ...plain, gid: 2 ** 32 }],
    ["type bits in a mode", "/x", { ...plain, mode: 0o100644 }],
    ["half a second", "/x", { ...plain, mtimeSec: 0.5 }],
    ["a device that does not exist", "/x", { ...plain, kind: "char", major: 4096, minor: 0 } as TreeNode],
    ["a link to nowhere", "/x", { ...plain, kind: "symlink", target: "" } as TreeNode],
    ["a target of 4096 bytes", "/x", { ...plain, kind: "symlink", target: "t".repeat(4096) } as TreeNode],
  ])("%s", async (_, path, node) => {
    await expect(write(treeOf([[path, node]]))).rejects.toMatchObject({ code: "archive", details: { path } });
  });

  it.each<[string, Partial<ErofsOptions>, string]>([
    ["a label of 17 bytes", { label: "ő".repeat(8) + "o" }, "at most 16 bytes"],
    ["chunks of no power of two", { chunkBytes: 12_288 }, "a power of two"],
    ["chunks below a block", { chunkBytes: 2048 }, "a power of two"],
    ["chunks that are not to be in memory", { chunkBytes: 1 << 25 }, "4096 to 16777216, got 33554432"],
    ["chunks and compression", { chunkBytes: 4096, compression: { algorithm: "lz4" } }, "got both"],
  ])("%s", async (_, options, message) => {
    await expect(write(treeOf([]), options)).rejects.toThrow(message);
  });

  it("to go on when it is told to stop", async () => {
    const stopped = AbortSignal.abort(new Error("stopped"));
    await expect(write(treeOf(sampleNodes()), { signal: stopped })).rejects.toThrow("stopped");
    expect(existsSync(join(folder, "image"))).toBe(false);
  });
});

const GOLDEN = `uuid 8be4df61-93ca-81d2-aa0d-00e098032b8c label "sample" epoch @1700000000
7 blocks of 4096, 15 inodes
features superblockChecksum mtime
#1 directory 0755 0:0 @1700000000 links=4 flatInline 88 / [stored 88 at 6+64]
#5 symlink 0777 0:0 @1700000000 links=1 flatInline 7 /bin -> usr/bin
#7 directory 0755 0:0 @1700000000 links=2 flatInline 58 /dev [stored 58 at 6+256]
#10 char 0666 0:0 @1700000000 links=1 flatPlain 1:3 /dev/null
#11 block 0660 0:6 @1700000000 links=1 flatPlain 254:300 /dev/vda
#12 fifo 0600 0:0 @1757635200 links=1 flatPlain 0 /pipe
#14 directory 0755 0:0 @1700000000 links=3 flatInline 42 /usr [stored 42 at 6+480]
#17 directory 0755 0:0 @5 links=2 flatInline 152 /usr/bin [stored 152 at 6+608]
#24 file 0644 0:0 @1700000000 links=1 flatInline 15 /usr/bin/- [stored 15 at 6+816] +security.selinux=6c6162656c
#26 file 0755 0:0 @1700000000 links=2 flatInline 6 /usr/bin/a [stored 6 at 6+864]
#26 file 0755 0:0 @1700000000 links=2 flatInline 6 /usr/bin/b [stored 6 at 6+864]
#28 file 0755 0:0 @1700000000 links=1 flatPlain 4096 /usr/bin/block [stored 4096 at 1+0]
#29 file 0644 0:0 @1700000000 links=1 flatPlain 0 /usr/bin/empty +security.selinux=6c6162656c
#31 file 0755 70000:0 @1700000000 links=1 flatPlain 5000 /usr/bin/same [stored 5000 at 2+0]
#33 file 0755 0:0 @1700000000 links=1 flatPlain 5000 /usr/bin/same-too [stored 5000 at 2+0]
#34 file 0644 0:0 @1700000000 links=1 flatInline 5500 /usr/bin/tail [stored 4096 at 4+0] [stored 1404 at 6+1136] +security.selinux=6c6162656c
`;
const GOLDEN_SHA256 = "a3aa2f310c68788a45f3ae0d36dbd08d0ca555f6ccdddc52c61d0f5d5690ba6b";
