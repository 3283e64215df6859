import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { digest, sha256Hex } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { type Compression, compressChunks, compressorIdentity } from "./compress.ts";

/** Half noise, half text: `sizeBytes` bytes that compress as files do. */
function sampleBytes(sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes, "All is well that ends well. ");
  for (let at = 0, n = 0; at < sizeBytes; at += 128, n++) digest("sha512", Buffer.from(String(n))).copy(bytes, at);
  return bytes;
}

const cut = (bytes: Buffer, chunkBytes: number): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / chunkBytes) }, (_, n) =>
    bytes.subarray(n * chunkBytes, (n + 1) * chunkBytes),
  );

async function compress(chunks: Buffer[], compression: Compression, sizeBytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of compressChunks(chunks, { compression, sizeBytes })) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

const ZSTD: Compression = { algorithm: "zstd", level: 3 };
const GZIP: Compression = { algorithm: "gzip", level: 1 };

describe("compressChunks", () => {
  it.each([
    ["small", 100_000],
    ["large", (33 << 20) + 5],
  ])("gives what is %s the same bytes however it is cut, and loses nothing", async (_what, sizeBytes) => {
    const bytes = sampleBytes(sizeBytes);
    for (const [compression, decompress] of [
      [ZSTD, zstdDecompressSync],
      [GZIP, gunzipSync],
    ] as const) {
      const whole = await compress([bytes], compression, sizeBytes);
      expect(sha256Hex(decompress(whole))).toBe(sha256Hex(bytes));
      expect(sha256Hex(await compress(cut(bytes, 99_991), compression, sizeBytes))).toBe(sha256Hex(whole));
    }
  });

  it("says how large the content is, so that a decompressor can know", async () => {
    const frame = await compress([sampleBytes(1000)], ZSTD, 1000);
    const singleSegmentWithSize = 0x60;
    expect((frame[4] ?? 0) & 0xe0).toBe(singleSegmentWithSize);
    expect(frame.readUInt16LE(5) + 256).toBe(1000);
  });

  it("names no operating system but one in gzip headers", async () => {
    expect((await compress([sampleBytes(1000)], GZIP, 1000)).subarray(0, 10).toString("hex")).toMatch(
      /^1f8b080000000000..03$/,
    );
  });

  it("leaves bytes alone without compression", async () => {
    expect((await compress([Buffer.from("a"), Buffer.from("b")], { algorithm: "none" }, 2)).toString()).toBe("ab");
  });

  it("names the compressor by what determines its bytes", () => {
    expect(compressorIdentity(ZSTD)).toBe(`zstd ${process.versions.zstd}`);
    expect(compressorIdentity(GZIP)).toBe(`zlib ${process.versions.zlib}`);
  });
});
