import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesSource, FormatError } from "@cvm-build/bytes";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { contentOf } from "../content.ts";
import { dumpTree } from "../dump-tree.ts";
import type { FileNode } from "../tree.ts";
import { EROFS_INCOMPAT, EROFS_LAYOUT, EROFS_NULL_BLOCK } from "./format.ts";
import { inodePlace, patchDirent, patchInode, patchSuperblock } from "./patch.fixture.ts";
import { readErofsTree, type ReadErofsTreeOptions } from "./read-tree.ts";
import { openErofs } from "./reader.ts";
import { walkErofs } from "./reading/walk.ts";
import { sampleNodes, treeOf } from "./sample.fixture.ts";
import { type ErofsOptions, writeErofs } from "./writer.ts";

const UUID = "8be4df61-93ca-81d2-aa0d-00e098032b8c";
const SOCKET_MODE = 0o140644;
const PLAIN = EROFS_LAYOUT.flatPlain << 1;

let folder: string;
let image: Buffer;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "cvm-erofs-"));
  const large = fileOf(Buffer.alloc(100_000, "large file "));
  image = await write([...sampleNodes(), ["/large", large], ["/usr/old", { ...large, mtimeSec: 1 }]]);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function write(nodes: Parameters<typeof treeOf>[0], options: Partial<ErofsOptions> = {}): Promise<Buffer> {
  const output = join(folder, "image");
  await writeErofs(treeOf(nodes), { uuid: UUID, mtimeClampSec: 1_757_635_200, threads: 1, ...options, output });
  return readFileSync(output);
}

function fileOf(bytes: Buffer): FileNode {
  const origin = { kind: "package", name: "sample" } as const;
  return { kind: "file", mode: 0o644, uid: 0, gid: 0, mtimeSec: 1_700_000_000, origin, content: contentOf(bytes) };
}

const read = (bytes: Buffer, options: Partial<ReadErofsTreeOptions> = {}) =>
  readErofsTree(bytesSource(bytes), { contentFolder: folder, ...options });

/** A change of the image, and what reading it says. */
type Damage = readonly [name: string, damage: (bytes: Buffer) => void, expectation: string];

const SUPERBLOCKS: readonly Damage[] = [
  ["another magic", (bytes) => patchSuperblock(bytes, { magic: 1 }), "expected 0xe0f5e1e2, got 0x1"],
  ["a checksum that is wrong", (bytes) => patchSuperblock(bytes, { checksum: 1 }), "checksum"],
  ["blocks of 256 bytes", (bytes) => patchSuperblock(bytes, { blockBits: 8 }), "expected 9 to 16, got 8"],
  ["blocks of 128 KiB", (bytes) => patchSuperblock(bytes, { blockBits: 17 }), "expected 9 to 16, got 17"],
  ["more blocks than there are", (bytes) => patchSuperblock(bytes, { blockCount: 0xffff_ffff }), "expected at most"],
  [
    "fewer blocks than are used",
    (bytes) => patchSuperblock(bytes, { blockCount: 1 }),
    "bytes, but the source has 4096",
  ],
  ["features of the future", (bytes) => patchSuperblock(bytes, { featureIncompat: 0x200 }), "got 0x200"],
  [
    "48-bit addresses",
    (bytes) => patchSuperblock(bytes, { featureIncompat: EROFS_INCOMPAT.addresses48Bit }),
    "got addresses48Bit 0x80",
  ],
  ["other devices", (bytes) => patchSuperblock(bytes, { extraDevices: 1 }), "holds all of its data"],
  ["directory blocks of two blocks", (bytes) => patchSuperblock(bytes, { dirBlockBits: 1 }), "expected 0, got 1"],
  [
    "a root that is a file",
    (bytes) => patchSuperblock(bytes, { rootNid: inodePlace(bytes, "/large").nid }),
    "directory",
  ],
  ["a root far away", (bytes) => patchSuperblock(bytes, { rootNid: 0xffff }), "bytes, but the source has"],
];

const nidOf = (bytes: Buffer, path: string): bigint => BigInt(inodePlace(bytes, path).nid);
const bin = (name: string) => ({ directory: "/usr/bin", name });
const DIRECTORIES: readonly Damage[] = [
  [
    "a directory within itself",
    (bytes) => patchDirent(bytes, { directory: "/usr", name: "bin" }, { nid: nidOf(bytes, "/usr") }),
    "a directory that has no other name",
  ],
  [
    "a directory with two names",
    (bytes) => patchDirent(bytes, { directory: "/", name: "dev" }, { nid: nidOf(bytes, "/usr") }),
    "a directory that has no other name",
  ],
  ["a dot that leads elsewhere", (bytes) => patchDirent(bytes, bin("."), { nid: nidOf(bytes, "/usr") }), '"."'],
  ["dots that lead elsewhere", (bytes) => patchDirent(bytes, bin(".."), { nid: nidOf(bytes, "/dev") }), '".."'],
  ["names that are the same", (bytes) => patchDirent(bytes, bin("b"), { newName: "a" }), "names in ascending order"],
  ["a slash in a name", (bytes) => patchDirent(bytes, bin("b"), { newName: "/" }), "names in ascending order"],
  ["a slash at its place", (bytes) => patchDirent(bytes, bin("empty"), { newName: "em/ty" }), 'without "/" and NUL'],
  ["a NUL in a name", (bytes) => patchDirent(bytes, bin("empty"), { newName: "em\0ty" }), 'without "/" and NUL'],
  ["another type than the inode's", (bytes) => patchDirent(bytes, bin("empty"), { fileType: 7 }), "symlink as its"],
  ["a type of the future", (bytes) => patchDirent(bytes, bin("empty"), { fileType: 8 }), "a known type"],
  [
    "a name beyond the block",
    (bytes) => patchDirent(bytes, bin("empty"), { nameOffset: 0xffff }),
    "one after the other",
  ],
  ["an inode far away", (bytes) => patchDirent(bytes, bin("empty"), { nid: 1n << 40n }), "but the source has"],
  ["an inode beyond numbers", (bytes) => patchDirent(bytes, bin("empty"), { nid: 1n << 60n }), "below 2^53"],
  [
    "a directory of blocks that are not there",
    (bytes) => patchInode(bytes, "/usr/bin", { sizeBytes: 8000n }),
    "but the source has",
  ],
];

const INODES: readonly Damage[] = [
  ["a format of the future", (bytes) => patchInode(bytes, "/large", { format: 0x10 }), "a known format"],
  ["no type", (bytes) => patchInode(bytes, "/large", { mode: 0o644 }), "expected a type"],
  [
    "a hole of 2^50 bytes",
    (bytes) => patchInode(bytes, "/usr/old", { format: PLAIN | 1, sizeBytes: 1n << 50n, union: EROFS_NULL_BLOCK }),
    "no larger than the limit",
  ],
  ["a size beyond numbers", (bytes) => patchInode(bytes, "/usr/old", { sizeBytes: 1n << 63n }), "below 2^53"],
  [
    "a file that ends behind the image",
    (bytes) => patchInode(bytes, "/large", { sizeBytes: 1n << 31n }),
    "but the source has",
  ],
  ["inline data beyond its block", (bytes) => patchInode(bytes, "/usr/bin/a", { sizeBytes: 4095n }), "expected inode"],
  [
    "a table of chunks beyond the image",
    (bytes) => patchInode(bytes, "/large", { format: EROFS_LAYOUT.chunkBased << 1, union: 0, sizeBytes: 0xffff_ffffn }),
    "within the image",
  ],
  [
    "a cluster map beyond the image",
    (bytes) => patchInode(bytes, "/large", { format: EROFS_LAYOUT.compressedFull << 1, sizeBytes: 0xffff_ffffn }),
    "cluster map",
  ],
  ["an empty link", (bytes) => patchInode(bytes, "/bin", { sizeBytes: 0n }), "a target"],
  ["a link longer than a path", (bytes) => patchInode(bytes, "/bin", { sizeBytes: 4096n }), "expected at most 4095"],
  [
    "attributes beyond the image",
    (bytes) => patchInode(bytes, "/usr/bin/tail", { xattrCount: 0xffff }),
    "but the source has",
  ],
  ["too many shared attributes", (bytes) => patchInode(bytes, "/usr/bin/tail", { xattrCount: 1 }), "fewer"],
];

describe("readErofsTree", () => {
  it.each([...SUPERBLOCKS, ...DIRECTORIES, ...INODES])("refuses %s", (_name, damage, expectation) => {
    damage(image);
    const started = performance.now();
    expect(() => read(image)).toThrow(FormatError);
    expect(() => read(image)).toThrow(expectation);
    expect(performance.now() - started).toBeLessThan(1000);
    expect(existsSync(join(folder, "contents"))).toBe(false);
  });

  it("refuses sockets, which walking shows", () => {
    patchInode(image, "/dev/null", { mode: SOCKET_MODE, union: 0 });
    patchDirent(image, { directory: "/dev", name: "null" }, { fileType: 6 });
    const kinds = [...walkErofs(openErofs(bytesSource(image)))].map(({ path, inode }) => `${path} ${inode.kind}`);
    expect(kinds).toContain("/dev/null socket");
    expect(() => read(image)).toThrow('got socket "/dev/null"');
  });

  it("does not believe counts of links", () => {
    const before = dumpTree(read(image));
    rmSync(join(folder, "contents"));
    patchInode(image, "/usr/bin/a", { linkCount: 1 });
    patchInode(image, "/large", { linkCount: 1000 });
    expect(dumpTree(read(image))).toEqual(before);
    expect(before["/usr/bin/b"]).toBe("link /usr/bin/a");
  });

  it("does not overwrite what lies where contents would go", () => {
    writeFileSync(join(folder, "contents"), "mine");
    expect(() => read(image)).toThrow("EEXIST");
    expect(readFileSync(join(folder, "contents"), "utf8")).toBe("mine");
  });

  it("stops at the limits that it is given", async () => {
    const zeros = await write([["/zeros", fileOf(Buffer.alloc(8 << 20))]], { compression: { algorithm: "zstd" } });
    expect(zeros.length).toBeLessThan(100_000);
    expect(() => read(zeros, { maxContentBytes: 1 << 20 })).toThrow("no larger than the limit");
    expect(() => read(image, { maxTreeBytes: 2000 })).toThrow("no larger than the limit");
    const opened = openErofs(bytesSource(zeros), { maxDecodedBytes: 1 << 20 });
    const file = [...walkErofs(opened)].find(({ path }) => path === "/zeros");
    expect(() => [...opened.content((file as { inode: typeof opened.root }).inode)]).toThrow("less to decompress");
  });

  it("keeps large contents in a file, and holes out of it", async () => {
    const bytes = Buffer.concat([Buffer.alloc(1 << 20), Buffer.alloc(70_000, "end ")]);
    const tree = read(await write([["/sparse", fileOf(bytes)]], { chunkBytes: 65_536 }));
    const node = tree.get("/sparse") as FileNode;
    expect(node.content).toEqual({
      sizeBytes: bytes.length,
      sha256: contentOf(bytes).sha256,
      file: { path: join(folder, "contents"), offsetBytes: 0 },
    });
    expect(readFileSync(join(folder, "contents")).equals(bytes)).toBe(true);
  });
});
