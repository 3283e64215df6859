import { gzipSync, zstdCompressSync } from "node:zlib";
import { xz } from "@napi-rs/lzma";
import { bytesSource, digest, FormatError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expectValueOrFormatError, mutated } from "../fuzz.fixture.ts";
import { decompressWhole } from "./decompress.ts";
import { detectCompression } from "./format.ts";
import { decodeGzipMember, decodeZstdMember } from "./member.ts";

const plain = Buffer.from("All is well. ".repeat(20_000));
const compressed = {
  xz: xz.compressSync(plain),
  zstd: zstdCompressSync(plain),
  gzip: gzipSync(plain),
};
const formats = Object.keys(compressed) as (keyof typeof compressed)[];
const whole = (bytes: Uint8Array, maxSizeBytes = 1 << 24): Promise<Buffer> =>
  decompressWhole(bytesSource(bytes), { maxSizeBytes });

describe("decompress", () => {
  it.each(formats)("decompresses %s, found by its first bytes", async (format) => {
    expect(detectCompression(compressed[format])).toBe(format);
    expect((await whole(compressed[format])).equals(plain)).toBe(true);
  });

  it.each(formats)("decompresses several %s streams in a row", async (format) => {
    const twice = Buffer.concat([compressed[format], compressed[format]]);
    expect((await whole(twice)).equals(Buffer.concat([plain, plain]))).toBe(true);
  });

  it("passes over skippable zstd frames", async () => {
    const skippable = Buffer.from("502a4d1803000000abcdef", "hex");
    const bytes = Buffer.concat([compressed.zstd, skippable, compressed.zstd]);
    expect((await whole(bytes)).length).toBe(2 * plain.length);
  });

  it("leaves other bytes as they are", async () => {
    expect((await whole(Buffer.from("plain"))).toString()).toBe("plain");
    expect((await whole(Buffer.alloc(0))).length).toBe(0);
  });

  it.each(formats)("refuses %s that ends early, anywhere", async (format) => {
    const bytes = compressed[format];
    const lengths = new Set([6, 10, bytes.length >> 1, bytes.length - 9, bytes.length - 4, bytes.length - 1]);
    for (const length of lengths)
      await expect(whole(bytes.subarray(0, length)), `${length}`).rejects.toThrow(FormatError);
  });

  it.each(formats)("refuses %s with other bytes behind it", async (format) => {
    await expect(whole(Buffer.concat([compressed[format], Buffer.from("junkjunk")]))).rejects.toThrow(FormatError);
  });

  it.each(["xz", "zstd", "gzip"] as const)("refuses bytes said to be %s that are not", async (format) => {
    for (const text of ["", "no such format here, far from it"]) {
      await expect(decompressWhole(bytesSource(Buffer.from(text)), { format, maxSizeBytes: 100 })).rejects.toThrow(
        FormatError,
      );
    }
  });

  it.each(formats)("stops %s at the bound", async (format) => {
    expect((await whole(compressed[format], plain.length)).length).toBe(plain.length);
    await expect(whole(compressed[format], plain.length - 1)).rejects.toThrow(
      `at most ${plain.length - 1} decompressed bytes`,
    );
  });

  it("does not decompress far beyond the bound", async () => {
    const zeros = Buffer.alloc(4 << 20);
    for (const bomb of [xz.compressSync(zeros), zstdCompressSync(zeros), gzipSync(zeros, { level: 1 })]) {
      await expect(whole(bomb, 1000)).rejects.toThrow("at most 1000 decompressed bytes");
    }
  });

  it("does not take a failing read for damaged bytes", async () => {
    const broken = {
      sizeBytes: 100,
      read: () => {
        throw Object.assign(new Error("EIO"), { code: "EIO" });
      },
    };
    for (const format of ["xz", "zstd", "gzip", "none"] as const) {
      await expect(decompressWhole(broken, { format, maxSizeBytes: 100 })).rejects.toThrow(/^EIO$/);
    }
  });

  it.each(formats)("gives bytes or a FormatError for mutated %s", async (format) => {
    const small = {
      xz: xz.compressSync("hello hello"),
      zstd: zstdCompressSync("hello hello"),
      gzip: gzipSync("hello hello"),
    };
    await fc.assert(
      fc.asyncProperty(mutated(small[format]), (bytes) =>
        expectValueOrFormatError(() => decompressWhole(bytesSource(bytes), { format, maxSizeBytes: 1 << 20 })),
      ),
      { seed: 3, numRuns: 300 },
    );
  });
});

describe("members", () => {
  const behind = Buffer.from("0707");
  it.each([
    ["zstd", decodeZstdMember, compressed.zstd],
    ["gzip", decodeGzipMember, compressed.gzip],
  ] as const)("decodes one %s member, whatever stands around it", (_format, decode, bytes) => {
    const source = bytesSource(Buffer.concat([behind, bytes, behind]));
    const member = decode(source, 4, { maxSizeBytes: 1 << 24 });
    expect(member.sizeBytes).toBe(bytes.length);
    expect(member.data.equals(plain)).toBe(true);
    expect(() => decode(source, 4, { maxSizeBytes: 100 })).toThrow(FormatError);
    expect(() => decode(source, 0, { maxSizeBytes: 100 })).toThrow(FormatError);
  });

  it("finds the end of a gzip member with every optional field", () => {
    const bare = gzipSync("x");
    const fields = Buffer.concat([Buffer.from([3, 0]), Buffer.from("abcname\0comment\0"), Buffer.from([0, 0])]);
    const bytes = Buffer.concat([bare.subarray(0, 10), fields, bare.subarray(10), behind]);
    bytes[3] = 0x1e;
    expect(decodeGzipMember(bytesSource(bytes), 0, { maxSizeBytes: 10 })).toEqual({
      data: Buffer.from("x"),
      sizeBytes: bytes.length - behind.length,
    });
  });

  it("decodes a gzip member that is longer than what is tried first and second", () => {
    const blocks = Array.from({ length: 1 << 15 }, (_, n) => digest("sha512", Buffer.from(String(n))));
    const noise = Buffer.concat(blocks);
    const bytes = gzipSync(noise);
    expect(bytes.length).toBeGreaterThan(1 << 20);
    expect(decodeGzipMember(bytesSource(Buffer.concat([bytes, behind])), 0, { maxSizeBytes: 1 << 24 }).sizeBytes).toBe(
      bytes.length,
    );
  });

  it("compares a gzip member's checksum and length", () => {
    const bytes = Buffer.from(compressed.gzip);
    bytes.writeUInt32LE(plain.length + 1, bytes.length - 4);
    expect(() => decodeGzipMember(bytesSource(bytes), 0, { maxSizeBytes: 1 << 24 })).toThrow("checksum and length");
  });
});
