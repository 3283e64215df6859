import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesSource, FormatError, sha256Hex } from "@cvm-build/bytes";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Compression } from "../compression/compress.ts";
import { dumpCpio } from "../cpio/dump.ts";
import { CLAMP_SEC, sampleEntries, sampleTree } from "../cpio/sample.fixture.ts";
import { readCpioTree } from "../cpio/tree.ts";
import type { DerivedCache, DerivedObject } from "../derived-cache.ts";
import { dumpTree } from "../dump-tree.ts";
import type { FileNode } from "../tree.ts";
import { WorkerPool } from "../workers/worker-pool.ts";
import { type PackOptions, packSegments, SEGMENT_WORKER } from "./pack.ts";
import { type Segment, segmentSource, verifySegment } from "./segment.ts";

let folder: string;
let pool: WorkerPool;
let cache: DerivedCache;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "cvm-segments-"));
  pool = new WorkerPool({ module: SEGMENT_WORKER, size: 2 });
});
afterAll(async () => {
  await pool[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  cache = folderCache(mkdtempSync(join(folder, "cache-")));
});

function folderCache(path: string): DerivedCache {
  const objects = new Map<string, DerivedObject>();
  let reserved = 0;
  return {
    lookup: (kind, key) => objects.get(`${kind}-${key}`),
    reserve: () => join(path, `temporary-${reserved++}`),
    commit(kind, key, { temporaryPath, ...written }) {
      const object = { ...written, path: join(path, `${kind}-${key}`) };
      renameSync(temporaryPath, object.path);
      objects.set(`${kind}-${key}`, object);
      return object;
    },
    discard: (kind, key) => void objects.delete(`${kind}-${key}`),
  };
}

const options = (rest: Partial<PackOptions> = {}): PackOptions => ({
  cache,
  pool,
  compression: { algorithm: "zstd", level: 3 },
  mtimeClampSec: CLAMP_SEC,
  ...rest,
});
const bytesOf = (segments: readonly Segment[]): Buffer => Buffer.concat(segments.map(({ path }) => readFileSync(path)));
const nameOf = ({ origin }: Segment): string => (origin === "directories" ? origin : `${origin.kind} ${origin.name}`);

describe("packSegments", () => {
  it("packs the directories first, then one segment an origin, with links in one", async () => {
    const { segments, losses } = await packSegments(sampleTree(), options({ compression: { algorithm: "none" } }));
    expect(segments.map((segment) => [nameOf(segment), segment.entryCount])).toEqual([
      ["directories", 7],
      ["package base-files", 7],
      ["package perl-base", 2],
      ["extra cvm.extra", 2],
    ]);
    expect(segments.map((segment) => dumpCpio(segmentSource(segment))).slice(2)).toEqual([
      "file 0755 0:0 @1700000000 links=2 0 usr/bin/perl\nfile 0755 0:0 @1700000000 links=2 11 usr/bin/perl5.40\n",
      "file 0644 0:0 @1700000000 links=1 0 etc/empty\nfile 0644 0:0 @1757635200 links=1 10 etc/hostname\n",
    ]);
    expect(losses).toEqual([{ path: "/usr/bin/ping", xattr: "security.capability" }]);
    expect(sha256Hex(bytesOf(segments))).toBe("a8a1ecc709bddef66ca0cc3e822936a60262a9dc0989b034513225005c097045");
  });

  it.each<Compression>([
    { algorithm: "zstd", level: 3 },
    { algorithm: "zstd", level: 19 },
    { algorithm: "gzip", level: 6 },
    { algorithm: "none" },
  ])("makes an initrd that reads back as the tree: %j", async (compression) => {
    const { segments } = await packSegments(sampleTree(), options({ compression }));
    const bytes = bytesOf(segments);
    const expected = dumpTree(sampleTree());
    expected["/usr/bin/ping"] = expected["/usr/bin/ping"]?.replace(" +security.capability", "") ?? "";
    const origin = { kind: "artifact", name: "initrd" } as const;
    expect(dumpTree(readCpioTree(bytesSource(bytes), { origin }))).toEqual(expected);
    for (const segment of segments) {
      expect(segment.sizeBytes % 4).toBe(0);
      expect(segment.sha256).toBe(createHash("sha256").update(readFileSync(segment.path)).digest("hex"));
      expect(() => verifySegment(segment)).not.toThrow();
    }
  });

  it("gives the same bytes with any number of threads and any order of filling", async () => {
    const { segments } = await packSegments(sampleTree(), options());
    for (const [threads, entries] of [
      [1, sampleEntries()],
      [4, sampleEntries().reverse()],
    ] as const) {
      const { pool: _, ...own } = options({ cache: folderCache(mkdtempSync(join(folder, "cache-"))) });
      const again = await packSegments(sampleTree(entries), { ...own, threads });
      expect(again.segments.map((segment) => segment.sha256)).toEqual(segments.map((segment) => segment.sha256));
    }
  });

  it("makes nothing twice, and again only what changed", async () => {
    const first = await packSegments(sampleTree(), options());
    expect(first.segments.map((segment) => segment.fromCache)).toEqual([false, false, false, false]);
    const second = await packSegments(sampleTree(), options());
    expect(second.segments).toEqual(first.segments.map((segment) => ({ ...segment, fromCache: true })));
    const tree = sampleTree();
    tree.set("/etc/hostname", { ...(tree.get("/etc/hostname") as FileNode), mode: 0o600 });
    const third = await packSegments(tree, options());
    expect(third.segments.map((segment) => segment.fromCache)).toEqual([true, true, true, false]);
  });

  it("has another key for whatever changes the bytes, and the same for what does not", async () => {
    const keyOf = async (rest: Partial<PackOptions>, change: Partial<FileNode> = {}): Promise<string | undefined> => {
      const tree = sampleTree();
      tree.set("/etc/hostname", { ...(tree.get("/etc/hostname") as FileNode), ...change });
      return (await packSegments(tree, options(rest))).segments.at(-1)?.key;
    };
    const key = await keyOf({});
    expect(await keyOf({}, { mtimeSec: 2_000_000_000 })).toBe(key);
    const others = await Promise.all([
      keyOf({ compression: { algorithm: "zstd", level: 4 } }),
      keyOf({ compression: { algorithm: "gzip", level: 3 } }),
      keyOf({ compression: { algorithm: "none" } }),
      keyOf({ mtimeClampSec: CLAMP_SEC - 1 }),
      keyOf({}, { mtimeSec: 5 }),
      keyOf({}, { uid: 1 }),
      keyOf({}, { gid: 1 }),
    ]);
    expect(new Set([key, ...others]).size).toBe(8);
  });

  it("puts all paths of a link whose paths have several origins into the first one's segment", async () => {
    const tree = sampleTree();
    const perl = tree.get("/usr/bin/perl") as FileNode;
    tree.set("/etc/perl", perl);
    const { segments } = await packSegments(tree, options({ compression: { algorithm: "none" } }));
    const texts = segments.map((segment) => dumpCpio(segmentSource(segment)));
    expect(texts.filter((text) => text.includes("perl"))).toEqual([
      expect.stringMatching(
        /^file .* links=3 0 etc\/perl\nfile .* links=3 0 usr\/bin\/perl\nfile .* links=3 11 usr\/bin\/perl5.40\n$/,
      ),
    ]);
  });

  it("reads contents in place, and refuses those that changed", async () => {
    const payload = join(folder, "payload");
    const data = Buffer.alloc(3_000_001, "0123456789");
    writeFileSync(payload, Buffer.concat([Buffer.from("header"), data]));
    const tree = sampleTree();
    const content = { sizeBytes: data.length, sha256: sha256Hex(data), file: { path: payload, offsetBytes: 6 } };
    tree.set("/etc/big", { ...(tree.get("/etc/hostname") as FileNode), content });
    const { segments } = await packSegments(tree, options());
    const origin = { kind: "artifact", name: "initrd" } as const;
    expect(readCpioTree(bytesSource(bytesOf(segments)), { origin }).get("/etc/big")).toMatchObject({
      content: { sha256: content.sha256 },
    });

    const changed = { ...content, file: { path: payload, offsetBytes: 5 }, sizeBytes: data.length - 1 };
    tree.set("/etc/big", { ...(tree.get("/etc/hostname") as FileNode), content: changed });
    const failing = options({ cache: folderCache(mkdtempSync(join(folder, "failing-"))) });
    await expect(packSegments(tree, failing)).rejects.toThrow(FormatError);
  });

  it("refuses a file of 4 GiB as the writer does, although a thread found it", async () => {
    const tree = sampleTree();
    const content = { ...(tree.get("/etc/hostname") as FileNode).content, sizeBytes: 2 ** 32 };
    tree.set("/etc/chain.db", { ...(tree.get("/etc/hostname") as FileNode), content });
    await expect(packSegments(tree, options())).rejects.toThrow(
      expect.objectContaining({
        name: "CvmError",
        code: "archive",
        message: 'cannot pack file "/etc/chain.db": expected at most 4294967295 bytes, got 4294967296',
        hint: expect.stringContaining("disk"),
      }),
    );
  });

  it("leaves no temporary file behind when it fails", async () => {
    const path = mkdtempSync(join(folder, "failing-"));
    const tree = sampleTree();
    const gone = { sizeBytes: 4, sha256: sha256Hex("data"), file: { path: join(path, "gone"), offsetBytes: 0 } };
    for (const name of ["/etc/hostname", "/etc/shadow"])
      tree.set(name, { ...(tree.get(name) as FileNode), content: gone });
    await expect(packSegments(tree, options({ cache: folderCache(path) }))).rejects.toThrow("ENOENT");
    expect(readdirSync(path).filter((name) => name.startsWith("temporary-"))).toEqual([]);
  });

  it("tells how far it is", async () => {
    const events: string[] = [];
    await packSegments(
      sampleTree(),
      options({ report: ({ done, total, unit }) => events.push(`${done}/${total} ${unit}`) }),
    );
    expect(events).toEqual(["1/4 items", "2/4 items", "3/4 items", "4/4 items"]);
  });

  it.each([
    [{ algorithm: "zstd", level: 0 }, "cannot compress with zstd: expected a level from 1 to 22, got 0"],
    [{ algorithm: "zstd", level: 23 }, "expected a level from 1 to 22, got 23"],
    [{ algorithm: "gzip", level: 10 }, "expected a level from 1 to 9, got 10"],
    [{ algorithm: "gzip", level: 1.5 }, "expected a level from 1 to 9, got 1.5"],
  ] as const)("refuses %j", async (compression, message) => {
    await expect(packSegments(sampleTree(), options({ compression }))).rejects.toThrow(message);
  });

  it("finds a torn segment", async () => {
    const { segments } = await packSegments(sampleTree(), options());
    const torn = segments.at(-1) as Segment;
    const bytes = readFileSync(torn.path);
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    writeFileSync(torn.path, bytes);
    expect(() => verifySegment(torn)).toThrow(`expected a segment with SHA-256 ${torn.sha256}`);
    expect(existsSync(torn.path)).toBe(true);
  });
});
