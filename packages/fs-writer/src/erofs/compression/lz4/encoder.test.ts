import { describe, expect, it } from "vitest";
import { decodeLz4 } from "../../decompression/lz4.ts";
import { sampleBytes } from "../sample-bytes.fixture.ts";
import { createLz4Encoder } from "./encoder.ts";

const INPUT_BYTES = 250_000;
const KINDS = ["words", "records", "zeros", "noise", "mixed"] as const;
const SIZES = [1, 5, 12, 13, 14, 100, 4096, 4097, 5000, 70_000, INPUT_BYTES];

describe.each([
  ["lz4", undefined],
  ["lz4hc, level 1", 1],
  ["lz4hc, level 9", 9],
])("%s", (_, highLevel) => {
  const encoder = createLz4Encoder({
    inputBytes: INPUT_BYTES,
    clusterBytes: 65_536,
    ...(highLevel === undefined ? {} : { highLevel }),
  });

  it.each(KINDS)("fills blocks that decode to what they are said to hold: %s", (kind) => {
    for (const endBytes of SIZES) {
      for (const maxBytes of [4096, 65_536]) {
        const input = sampleBytes(kind, endBytes);
        // What lies behind the input is not looked at.
        encoder.input.fill(0x11);
        input.copy(encoder.input);
        for (let startBytes = 0; startBytes < endBytes;) {
          const { consumedBytes, bytes } = encoder.encode({ startBytes, endBytes, maxBytes });
          expect(consumedBytes).toBeGreaterThan(0);
          expect(bytes.length).toBeLessThanOrEqual(maxBytes);
          const decoded = decodeLz4(Buffer.from(bytes), { sizeBytes: consumedBytes, isPartial: false });
          expect(decoded.equals(input.subarray(startBytes, startBytes + consumedBytes))).toBe(true);
          const isAll = startBytes + consumedBytes === endBytes;
          // A block ends early only where it is all but full: another sequence may need a dozen bytes.
          if (!isAll) expect(bytes.length).toBeGreaterThan(maxBytes - 16);
          startBytes += consumedBytes;
        }
      }
    }
  });

  it("gives the same bytes for the same input, wherever it lies and whatever came before", () => {
    // Of few letters, so that what the table holds by chance would be a match.
    const input = sampleBytes("noise", 8192).map((byte) => byte & 3);
    const encodeAt = (startBytes: number): Buffer => {
      encoder.input.set(input, startBytes);
      const endBytes = startBytes + input.length;
      return Buffer.from(encoder.encode({ startBytes, endBytes, maxBytes: 65_536 }).bytes);
    };
    const first = encodeAt(0);
    sampleBytes("words", INPUT_BYTES).copy(encoder.input);
    encoder.encode({ startBytes: 0, endBytes: INPUT_BYTES, maxBytes: 65_536 });
    for (let startBytes = 1; startBytes < 1 << 16; startBytes += 1024) {
      expect(encodeAt(startBytes).equals(first)).toBe(true);
    }
  });
});

it("ends blocks as decoders that copy in wide steps need it", () => {
  const encoder = createLz4Encoder({ inputBytes: 1000, clusterBytes: 4096 });
  encoder.input.fill("0123456789");
  const { bytes } = encoder.encode({ startBytes: 0, endBytes: 1000, maxBytes: 4096 });
  // Ten literals; a match at distance 10 whose length is 15 + 3 * 255 + 201 and 4 more; the last five bytes.
  expect(Buffer.from(bytes).toString("latin1")).toBe("\xaf0123456789\x0a\x00\xff\xff\xff\xc9\x5056789");
});
