import { describe, expect, it } from "vitest";
import { type CompressedExtent, clusterMapSizeBytes, encodeClusterMap } from "./cluster-map.ts";

const extent = (logicalOffsetBytes: number, logicalSizeBytes: number, physicalBlocks: number): CompressedExtent => ({
  logicalOffsetBytes,
  logicalSizeBytes,
  physicalBlocks: Math.abs(physicalBlocks),
  isCompressed: physicalBlocks > 0,
});

describe("encodeClusterMap", () => {
  it("refuses extents that leave a gap", () => {
    const place = { sizeBytes: 20_000, firstBlock: 1, inodeSizeBytes: 32, algorithm: "lz4" } as const;
    expect(() => encodeClusterMap([extent(0, 9000, 1)], place)).toThrow("clusters");
    expect(() => encodeClusterMap([extent(4096, 16_000, 1)], place)).toThrow("follow each other");
  });

  it.each([
    [32, 1],
    [32, 7],
    [32, 40],
    [64, 22],
    [48, 100],
    [60, 2000],
  ])("has the size that was foretold: inode of %i bytes, %i clusters", (inodeSizeBytes, clusters) => {
    const sizeBytes = clusters * 4096 - 7;
    const place = { sizeBytes, firstBlock: 5, inodeSizeBytes, algorithm: "zstd" } as const;
    const map = encodeClusterMap([extent(0, sizeBytes, -clusters)], place);
    expect(map.length).toBe(clusterMapSizeBytes({ sizeBytes, inodeSizeBytes }));
    expect(map.length % 8).toBe(0);
  });
});
