import { describe, expect, it } from "vitest";
import { compressionRecords, type ErofsCompression, erofsCompressionSettings } from "./settings.ts";

describe("erofsCompressionSettings", () => {
  it.each([
    [{ algorithm: "lz4" }, { algorithm: "lz4", level: 1, clusterBytes: 65_536 }],
    [{ algorithm: "lz4hc" }, { algorithm: "lz4hc", level: 9, clusterBytes: 65_536 }],
    [
      { algorithm: "zstd", level: 22, clusterBytes: 4096 },
      { algorithm: "zstd", level: 22, clusterBytes: 4096 },
    ],
  ] as const)("fills in what is absent: %j", (compression, expected) => {
    expect(erofsCompressionSettings(compression)).toEqual(expected);
  });

  it.each([
    [{ algorithm: "lz4", level: 2 }, "cannot compress with lz4: expected a level from 1 to 1, got 2"],
    [{ algorithm: "lz4hc", level: 13 }, "cannot compress with lz4hc: expected a level from 1 to 12, got 13"],
    [{ algorithm: "zstd", level: 0.5 }, "cannot compress with zstd: expected a level from 1 to 22, got 0.5"],
    [
      { algorithm: "zstd", clusterBytes: 12_288 },
      "cannot compress with zstd: expected a cluster size that is a power of two from 4096 to 1048576, got 12288",
    ],
    [
      { algorithm: "lz4", clusterBytes: 2048 },
      "cannot compress with lz4: expected a cluster size that is a power of two from 4096 to 1048576, got 2048",
    ],
    [
      { algorithm: "lz4", clusterBytes: 2_097_152 },
      "cannot compress with lz4: expected a cluster size that is a power of two from 4096 to 1048576, got 2097152",
    ],
  ] as const satisfies [ErofsCompression, string][])("refuses %j", (compression, message) => {
    expect(() => erofsCompressionSettings(compression)).toThrow(
      expect.objectContaining({ code: "compression", message }),
    );
  });
});

describe("compressionRecords", () => {
  // As `mkfs.erofs -C65536` of erofs-utils 1.8.6 has them behind its superblock.
  it.each([
    ["lz4", 1, "0e00ffff100000000000000000000000"],
    ["zstd", 8, "0600000900000000"],
  ] as const)("are those of mkfs.erofs: %s", (algorithm, algorithms, configurations) => {
    const records = compressionRecords(erofsCompressionSettings({ algorithm, clusterBytes: 65_536 }));
    expect({ ...records, configurations: records.configurations.toString("hex") }).toEqual({
      featureIncompat: 3,
      algorithms,
      configurations,
    });
  });
});
