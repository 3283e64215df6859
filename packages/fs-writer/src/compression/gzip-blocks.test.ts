import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { gzipBlocks } from "./gzip-blocks.ts";

const MIB = 1 << 20;

async function gzip(chunks: Buffer[], threads = 1): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of gzipBlocks(chunks, { level: 1, threads })) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

/** Bytes that nothing compresses. */
function dense(sizeBytes: number): Buffer {
  const parts = Array.from({ length: sizeBytes / 64 }, (_, index) => createHash("sha512").update(`${index}`).digest());
  return Buffer.concat(parts);
}

describe("gzipBlocks", () => {
  const mixed = Buffer.concat([Buffer.alloc(MIB + 5, "text "), dense(2 * MIB), Buffer.alloc(100)]);

  it("gives one member, the same with threads and cut in other ways", async () => {
    const once = await gzip([mixed]);
    expect(gunzipSync(once).equals(mixed)).toBe(true);
    expect((await gzip([mixed], 3)).equals(once)).toBe(true);
    const cut = [mixed.subarray(0, 7), mixed.subarray(7, 2 * MIB), mixed.subarray(2 * MIB)];
    expect((await gzip(cut)).equals(once)).toBe(true);
  });

  it("stores what does not compress, and nothing else", async () => {
    // A stored block has at most 65535 bytes and 5 of its own.
    const stored = await gzip([dense(MIB)]);
    expect(stored.length).toBeGreaterThan(MIB);
    expect(stored.length).toBeLessThan(MIB + 200);
    expect((await gzip([Buffer.alloc(MIB, "text ")])).length).toBeLessThan(10_000);
    const half = Buffer.concat([dense(MIB / 2), Buffer.alloc(MIB / 2)]);
    expect((await gzip([half])).length).toBeLessThan(0.6 * MIB);
  });

  it("gives an empty member of nothing", async () => {
    expect(gunzipSync(await gzip([]))).toHaveLength(0);
  });
});
