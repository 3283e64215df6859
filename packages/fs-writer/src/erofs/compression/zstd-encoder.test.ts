import { zstdDecompressSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { sampleBytes } from "./sample-bytes.fixture.ts";
import { createZstdEncoder } from "./zstd-encoder.ts";

const INPUT_BYTES = 600_000;

describe.each([4096, 65_536])("zstd, clusters of %i bytes", (clusterBytes) => {
  const encoder = createZstdEncoder({ inputBytes: INPUT_BYTES, clusterBytes, level: 3 });

  it.each(["words", "records", "zeros", "mixed"] as const)("fills blocks with frames of what they hold: %s", (kind) => {
    const input = sampleBytes(kind, INPUT_BYTES);
    input.copy(encoder.input);
    encoder.begin();
    let wastedBytes = 0;
    let occupiedBytes = 0;
    for (let startBytes = 0; startBytes < INPUT_BYTES;) {
      const { consumedBytes, bytes } = encoder.encode({ startBytes, endBytes: INPUT_BYTES, maxBytes: clusterBytes });
      const endBytes = startBytes + consumedBytes;
      expect(zstdDecompressSync(bytes).equals(input.subarray(startBytes, endBytes))).toBe(true);
      const isShrunk = bytes.length < consumedBytes;
      if (isShrunk) expect(bytes.length).toBeLessThanOrEqual(clusterBytes);
      if (isShrunk && endBytes < INPUT_BYTES) {
        occupiedBytes += Math.ceil(bytes.length / 4096) * 4096;
        wastedBytes += Math.ceil(bytes.length / 4096) * 4096 - bytes.length;
      }
      startBytes = endBytes;
    }
    // A frame grows by leaps where noise begins.
    expect(wastedBytes).toBeLessThanOrEqual(occupiedBytes * (kind === "mixed" ? 0.12 : 0.03));
  });

  it("gives up soon what does not shrink", () => {
    sampleBytes("noise", INPUT_BYTES).copy(encoder.input);
    encoder.begin();
    const { consumedBytes, bytes } = encoder.encode({ startBytes: 0, endBytes: INPUT_BYTES, maxBytes: clusterBytes });
    expect(bytes.length).toBeGreaterThanOrEqual(consumedBytes);
    expect(consumedBytes).toBeGreaterThan(clusterBytes / 2);
  });

  it("names a window that the superblock allows", () => {
    sampleBytes("zeros", INPUT_BYTES).copy(encoder.input);
    encoder.begin();
    const { bytes } = encoder.encode({ startBytes: 0, endBytes: INPUT_BYTES, maxBytes: clusterBytes });
    const [descriptor = 0, window = 0] = bytes.subarray(4);
    // Not a single segment, whose window would be all of it; an exponent over 1 KiB, and no mantissa. RFC 8878, 3.1.1.1
    expect(descriptor & 0x20).toBe(0);
    expect(1 << (10 + (window >> 3))).toBe(clusterBytes * 8);
    expect(window & 7).toBe(0);
  });
});
