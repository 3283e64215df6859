import { deflateRawSync, zstdCompressSync } from "node:zlib";
import { FormatError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expectValueOrFormatError } from "../../fuzz.fixture.ts";
import { EROFS_PCLUSTER_MAX_CONTENT_BYTES } from "../format.ts";
import { decodeCluster, type ErofsAlgorithm } from "./decode-cluster.ts";

const content = Buffer.from("one cluster after the other ".repeat(300));
const BLOCK_BYTES = 4096;
const ENCODERS = { deflate: deflateRawSync, zstd: zstdCompressSync } as const;
const ALGORITHMS: readonly ErofsAlgorithm[] = ["lz4", "lzma", "deflate", "zstd"];

/** A cluster as writers lay it out: what is compressed at the end of its block, zeros before. */
function clusterOf(algorithm: keyof typeof ENCODERS, bytes = content): Buffer {
  const compressed = ENCODERS[algorithm](bytes);
  return Buffer.concat([Buffer.alloc(BLOCK_BYTES - compressed.length), compressed]);
}

describe.each(["deflate", "zstd"] as const)("decodeCluster, %s", (algorithm) => {
  const whole = { algorithm, sizeBytes: content.length, isPartial: false, zerosBytes: BLOCK_BYTES };

  it("decodes what comes after zeros", () => {
    expect(decodeCluster(clusterOf(algorithm), whole).equals(content)).toBe(true);
  });

  it("gives all of a cluster of which a part is wanted", () => {
    const decoded = decodeCluster(clusterOf(algorithm), { ...whole, sizeBytes: 100, isPartial: true });
    expect(decoded.subarray(0, 100).equals(content.subarray(0, 100))).toBe(true);
  });

  it.each([
    ["only zeros", Buffer.alloc(BLOCK_BYTES), {}],
    ["what is no such stream", Buffer.alloc(BLOCK_BYTES, 0xee), {}],
    ["a stream that ends early", clusterOf(algorithm).subarray(0, -9), {}],
    ["more than is wanted", clusterOf(algorithm), { sizeBytes: content.length - 1 }],
    ["less than is wanted", clusterOf(algorithm), { sizeBytes: content.length + 1 }],
    ["a part of less than is wanted", clusterOf(algorithm), { sizeBytes: content.length + 1, isPartial: true }],
    ["zeros where there may be none", clusterOf(algorithm), { zerosBytes: 0 }],
  ])("refuses %s", (_name, cluster, options) => {
    expect(() => decodeCluster(cluster, { ...whole, ...options })).toThrow(FormatError);
  });

  it("refuses a part of more than a cluster may hold", () => {
    const bomb = ENCODERS[algorithm](Buffer.alloc(EROFS_PCLUSTER_MAX_CONTENT_BYTES + 1));
    expect(() => decodeCluster(bomb, { ...whole, sizeBytes: 10, isPartial: true })).toThrow(FormatError);
  });
});

describe.each(ALGORITHMS)("decodeCluster, %s, of any bytes", (algorithm) => {
  it("gives what is wanted or a FormatError", async () => {
    const property = fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.boolean(), async (bytes, isPartial) => {
      const options = { algorithm, sizeBytes: 1000, isPartial, zerosBytes: 10 };
      await expectValueOrFormatError(() => {
        expect(decodeCluster(Buffer.from(bytes), options).length).toBeGreaterThanOrEqual(1000);
      });
    });
    await fc.assert(property, { seed: 4, numRuns: 1500 });
  });
});
