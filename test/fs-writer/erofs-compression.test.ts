import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sha256Hex } from "@cvm-build/bytes";
import { contentOf, type ErofsCompression, type FileNode, FileTree, writeErofs } from "@cvm-build/fs-writer";
import { describe, expect, it } from "vitest";
import { sampleBytes } from "../../packages/fs-writer/src/erofs/compression/sample-bytes.fixture.ts";
import { encodeClusterMap } from "../../packages/fs-writer/src/erofs/compression/cluster-map.ts";
import { requirePeers } from "../support/peers.ts";
import { debianRoot } from "../support/trixie-root.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const hasPeers = requirePeers("fsck.erofs");
const trixie = hasPeers ? debianRoot("trixie", ["erofs-utils"]) : undefined;
const UUID = "8be4df61-93ca-81d2-aa0d-00e098032b8c";
const CLUSTERS = [4096, 16_384, 65_536, 1 << 20];
const ALGORITHMS = ["lz4", "lz4hc", "zstd"] as const;
const KINDS = ["words", "records", "zeros", "noise", "mixed"] as const;
/** Around blocks, clusters, packs of indexes and the ranges that large files are cut into. */
const SIZES = [0, 1, 4095, 4096, 4097, 8191, 8193, 65_535, 65_537, 135_168, 135_169, 1_100_000];
const RANGE_BYTES = 4 << 20;
const BLOCK_BYTES = 4096;
const SLOT_BYTES = 32;
/** @see Linux, fs/erofs/erofs_fs.h, struct erofs_super_block */
const SUPERBLOCK_OFFSET = 1024;
const FEATURE_INCOMPAT_OFFSET = 80;
const BIG_PCLUSTER = 2;

const origin = { kind: "package", name: "sample" } as const;
const attributes = { mode: 0o644, uid: 0, gid: 0, mtimeSec: 1_700_000_000, origin };

function fileOf(bytes: Uint8Array): FileNode {
  return { ...attributes, kind: "file", content: contentOf(bytes) };
}

function sampleFiles(): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (const kind of KINDS) {
    for (const size of SIZES) files.set(`${kind}-${size}`, sampleBytes(kind, size));
  }
  const large = sampleBytes("mixed", RANGE_BYTES + 100_000);
  for (const size of [RANGE_BYTES - 1, RANGE_BYTES, RANGE_BYTES + 1, large.length]) {
    files.set(`large-${size}`, large.subarray(0, size));
  }
  files.set(
    "noise-at-a-range-s-end",
    Buffer.concat([large.subarray(0, RANGE_BYTES - 1000), sampleBytes("noise", 9000)]),
  );
  for (let index = 0; index < 300; index++) files.set(`many-${index}`, sampleBytes("words", 4000 + index * 31));
  return files;
}

function treeOf(files: ReadonlyMap<string, Uint8Array>): FileTree {
  const tree = new FileTree({ ...attributes, mode: 0o755 });
  for (const [name, bytes] of files) tree.set(`/${name}`, fileOf(bytes));
  return tree;
}

/** Attributes move the map behind the inode. */
function addAttributes(tree: FileTree): FileTree {
  for (const [name, node] of [...tree.entries()]) {
    if (node.kind !== "file" || !/^.words-1/.test(name)) continue;
    for (const length of [1, 9, 17, 25]) {
      const xattrs = new Map([["user.a", Buffer.alloc(length, 0x61)]]);
      tree.set(`${name}.with-attribute-of-${length}`, { ...node, xattrs });
    }
  }
  return tree;
}

async function write(
  tree: FileTree,
  options: { folder: string; compression: ErofsCompression; threads?: number },
): Promise<{ image: string; sizeBytes: number }> {
  const { folder, compression, threads = 2 } = options;
  const image = join(folder, `image-${threads}.erofs`);
  const common = { uuid: UUID, mtimeClampSec: 1_757_635_200, output: image };
  const { sizeBytes } = await writeErofs(tree, { ...common, compression, threads });
  return { image, sizeBytes };
}

const files = sampleFiles();
const tree = addAttributes(treeOf(files));

describe.skipIf(!trixie)("compressed erofs", () => {
  it.each(ALGORITHMS.flatMap((algorithm) => CLUSTERS.map((clusterBytes) => ({ algorithm, clusterBytes }))))(
    "fsck.erofs finds and unpacks what was written: $algorithm, $clusterBytes",
    async (compression) => {
      using folder = temporaryFolder();
      const { image, sizeBytes } = await write(tree, { folder: folder.path, compression });
      const rawBytes = [...tree.entries()].reduce(
        (sum, [, node]) => sum + (node.kind === "file" ? node.content.sizeBytes : 0),
        0,
      );
      expect(sizeBytes).toBeLessThan(rawBytes * 0.6);
      const unpack = (name: string): readonly string[] => [`--extract=${join(folder.path, name)}`, image];
      trixie?.run("usr/bin/fsck.erofs", unpack("by-1.8"));
      // That of Debian 12 knows LZ4 alone.
      if (compression.algorithm !== "zstd") execFileSync("fsck.erofs", unpack("by-1.5"), { stdio: "pipe" });
      for (const by of compression.algorithm === "zstd" ? ["by-1.8"] : ["by-1.8", "by-1.5"]) {
        const differing = [...tree.entries()].filter(([path, node]) => {
          if (node.kind !== "file") return false;
          return sha256Hex(readFileSync(join(folder.path, by, path))) !== node.content.sha256;
        });
        expect(differing.map(([path]) => path)).toEqual([]);
      }
    },
  );

  it.each(ALGORITHMS)("gives the same bytes with one thread and with three: %s", async (algorithm) => {
    using folder = temporaryFolder();
    const compression = { algorithm, clusterBytes: 16_384 };
    const images = [];
    for (const threads of [1, 3]) images.push(await write(tree, { folder: folder.path, compression, threads }));
    const [one, three] = images.map(({ image }) => readFileSync(image));
    expect(one?.equals(three as Buffer)).toBe(true);
  });

  it.each([
    { algorithm: "lz4", clusterBytes: 4096 },
    { algorithm: "lz4", clusterBytes: 65_536 },
    { algorithm: "lz4hc", level: 9, clusterBytes: 65_536 },
    { algorithm: "zstd", level: 3, clusterBytes: 65_536 },
  ] as const)("is at most 2 % larger than what mkfs.erofs makes: $algorithm, $clusterBytes", async (compression) => {
    using folder = temporaryFolder();
    const { algorithm, clusterBytes } = compression;
    // A program and its libraries.
    const programs = programsOf(trixie?.path ?? "");
    const source = join(folder.path, "source");
    mkdirSync(source);
    for (const [name, bytes] of programs) writeFileSync(join(source, name), bytes);
    const peer = join(folder.path, "peer.erofs");
    const level = "level" in compression ? `,${compression.level}` : "";
    trixie?.run("usr/bin/mkfs.erofs", [`-z${algorithm}${level}`, `-C${clusterBytes}`, "--quiet", peer, source]);
    const { sizeBytes } = await write(treeOf(programs), { folder: folder.path, compression });
    expect(sizeBytes).toBeLessThan(readFileSync(peer).length * 1.02);
  });
});

describe.skipIf(!trixie)("maps of erofs files", () => {
  it.each(KINDS.flatMap((kind) => CLUSTERS.map((clusterBytes) => ({ kind, clusterBytes }))))(
    "are those that mkfs.erofs writes for the same extents: $kind, $clusterBytes",
    ({ kind, clusterBytes }) => {
      using folder = temporaryFolder();
      const source = join(folder.path, "source");
      const image = join(folder.path, "image.erofs");
      mkdirSync(source);
      const compared = [5000, 70_000, 300_001, 1_100_000].filter((sizeBytes) => {
        writeFileSync(join(source, "file"), sampleBytes(kind, sizeBytes));
        trixie?.run("usr/bin/mkfs.erofs", ["-zlz4", `-C${clusterBytes}`, "--quiet", image, source]);
        const dump = trixie?.run("usr/bin/dump.erofs", ["--path=/file", "-e", image]) ?? "";
        const extents = extentsOf(dump);
        if (!/Layout: 3/.test(dump) || isWithoutCounts(image)) return false;
        const [nid = 0, inodeSizeBytes = 0] = [/NID: (\d+)/, /Inode size: (\d+)/].map((line) =>
          Number(line.exec(dump)?.[1]),
        );
        const firstBlock = (extents[0]?.physicalOffsetBytes ?? 0) / BLOCK_BYTES;
        const map = encodeClusterMap(extents, { sizeBytes, firstBlock, inodeSizeBytes, algorithm: "lz4" });
        const at = nid * SLOT_BYTES + inodeSizeBytes;
        expect(map.toString("hex")).toBe(readFileSync(image).toString("hex", at, at + map.length));
        return true;
      });
      if (kind !== "noise" && clusterBytes > BLOCK_BYTES) expect(compared.length).toBeGreaterThan(1);
    },
  );
});

/** With clusters of one block, mkfs.erofs writes LZ4 in the older form whose maps count no blocks. */
function isWithoutCounts(image: string): boolean {
  return (readFileSync(image).readUInt32LE(SUPERBLOCK_OFFSET + FEATURE_INCOMPAT_OFFSET) & BIG_PCLUSTER) === 0;
}

/** What `dump.erofs -e` tells of a file. A cluster that holds no more than a block is not compressed. */
function extentsOf(dump: string) {
  const line = /^ *\d+: *(\d+)\.\. *\d+ \| *(\d+) : *(\d+)\.\. *\d+ \| *(\d+)$/gm;
  return [...dump.matchAll(line)].map((match) => {
    const [logicalOffsetBytes = 0, logicalSizeBytes = 0, physicalOffsetBytes = 0, physicalSizeBytes = 0] = match
      .slice(1)
      .map(Number);
    const isCompressed = logicalSizeBytes > BLOCK_BYTES;
    return {
      ...{ logicalOffsetBytes, logicalSizeBytes, physicalOffsetBytes, isCompressed },
      physicalBlocks: physicalSizeBytes / BLOCK_BYTES,
    };
  });
}

function programsOf(root: string): Map<string, Buffer> {
  const names = execFileSync("find", [root, "-type", "f", "-size", "+20k"], { encoding: "utf8" }).trim().split("\n");
  return new Map(names.sort().map((name, index) => [`file-${index}`, readFileSync(name)]));
}
