import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256Hex } from "@cvm-build/bytes";
import { afterAll, describe, expect, it } from "vitest";
import { contentOf } from "../../content.ts";
import type { Content } from "../../tree.ts";
import { type CompressContentsOptions, compressContents } from "./compress-contents.ts";
import { sampleBytes } from "./sample-bytes.fixture.ts";

const RANGE_BYTES = 4 << 20;
const folder = mkdtempSync(join(tmpdir(), "cvm-compress-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function collect(contents: readonly Content[], options: Partial<CompressContentsOptions> = {}) {
  const parts = [];
  const defaults = { compression: { algorithm: "lz4" }, threads: 2 } as const;
  for await (const { data, ...part } of compressContents(contents, { ...defaults, ...options })) {
    parts.push({ ...part, sha256: sha256Hex(data), sizeBytes: data.byteLength });
  }
  return parts;
}

function fileContent(name: string, bytes: Buffer): Content {
  const path = join(folder, name);
  writeFileSync(path, Buffer.concat([Buffer.from("before"), bytes, Buffer.from("behind")]));
  return { sizeBytes: bytes.length, sha256: sha256Hex(bytes), file: { path, offsetBytes: 6 } };
}

describe("compressContents", () => {
  it("yields contents in order, large ones in parts that end with blocks of the file", async () => {
    const large = sampleBytes("words", RANGE_BYTES + 70_000);
    const parts = await collect([contentOf(sampleBytes("words", 9000)), fileContent("large", large)]);
    expect(parts.map(({ index, kind, isLast }) => ({ index, kind, isLast }))).toEqual([
      { index: 0, kind: "clusters", isLast: true },
      { index: 1, kind: "clusters", isLast: false },
      { index: 1, kind: "clusters", isLast: true },
    ]);
    const extents = parts.slice(1).flatMap((part) => part.extents);
    let at = 0;
    for (const { logicalOffsetBytes, logicalSizeBytes } of extents) {
      expect(logicalOffsetBytes).toBe(at);
      at += logicalSizeBytes;
    }
    expect(at).toBe(large.length);
    const blocks = extents.reduce((sum, { physicalBlocks }) => sum + physicalBlocks, 0);
    expect(blocks * 4096).toBe(parts.slice(1).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
    expect(extents.some(({ logicalOffsetBytes }) => logicalOffsetBytes === RANGE_BYTES)).toBe(true);
  });

  it("gives contents that do not shrink as they are", async () => {
    const bytes = [Buffer.alloc(0), Buffer.from("x"), sampleBytes("noise", 100_001), sampleBytes("zeros", 4096)];
    const parts = await collect(bytes.map((each) => contentOf(each)));
    expect(parts).toEqual(
      bytes.map((each, index) => {
        const [sizeBytes, sha256] = [each.length, sha256Hex(each)];
        return { index, kind: "stored", extents: [], isLast: true, sizeBytes, sha256 };
      }),
    );
  });

  it("gives the same parts whatever shares a task with a content, in one thread or in several", async () => {
    const contents = ["mixed", "words", "records"].flatMap((kind, order) =>
      [70_000, 800_000].map((size) => fileContent(`${kind}-${size}`, sampleBytes(kind as "mixed", size + order))),
    );
    for (const algorithm of ["lz4", "zstd"] as const) {
      const compression = { algorithm, clusterBytes: 65_536 };
      const together = await collect(contents, { compression, threads: 3 });
      const alone = [];
      for (const content of contents) alone.push(...(await collect([content], { compression, threads: 1 })));
      expect(together.map(({ index: _index, ...part }) => part)).toEqual(
        alone.map(({ index: _index, ...part }) => part),
      );
    }
  });

  it.each([70_000, RANGE_BYTES + 1])(
    "refuses a file of %i bytes that is no longer what its digest says",
    async (size) => {
      const content = fileContent("changed", sampleBytes("words", size));
      const sha256 = sha256Hex(Buffer.from("other"));
      await expect(collect([{ ...content, sha256 }])).rejects.toThrow(`expected content with SHA-256 ${sha256}`);
    },
  );

  it("ends with the signal's reason", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(collect([contentOf(sampleBytes("words", 9000))], { signal })).rejects.toThrow("enough");
  });
});
