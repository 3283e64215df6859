import { FormatError } from "@cvm-build/bytes";
import { lzma } from "@napi-rs/lzma";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expectValueOrFormatError } from "../../fuzz.fixture.ts";
import { decodeMicroLzma } from "./micro-lzma.ts";

/** Size of the head of an "LZMA alone" stream, whose first byte are the properties. */
const ALONE_HEADER_BYTES = 13;

/** A stream of an encoder that is not ours. It ends with a marker, which only a part of MicroLZMA may be followed by. */
function compress(content: Buffer): Buffer {
  const alone = lzma.compressSync(content);
  const stream = Buffer.from(alone.subarray(ALONE_HEADER_BYTES));
  stream[0] = 0xff - (alone[0] ?? 0);
  return stream;
}

const text = Buffer.from("a rose is a rose is a rose, and so is every other one of them. ".repeat(50));
const noise = Buffer.from(Array.from({ length: 5000 }, (_, index) => (index * index * 31 + (index >> 3)) & 0xff));

describe("decodeMicroLzma", () => {
  it.each([
    ["text", text],
    ["noise", noise],
    ["one byte", Buffer.from("x")],
    ["both", Buffer.concat([text, noise, text, Buffer.alloc(100_000), noise])],
  ])("decodes what an encoder made: %s", (_name, content) => {
    expect(decodeMicroLzma(compress(content), { sizeBytes: content.length, isPartial: true }).equals(content)).toBe(
      true,
    );
  });

  it("stops where enough is decoded", () => {
    const stream = compress(text);
    for (let sizeBytes = 1; sizeBytes < 200; sizeBytes++) {
      const decoded = decodeMicroLzma(stream, { sizeBytes, isPartial: true });
      expect(decoded.equals(text.subarray(0, sizeBytes))).toBe(true);
    }
  });

  it.each([
    ["nothing", Buffer.alloc(0)],
    ["too few bytes", Buffer.from([0xa2, 0, 0])],
    ["properties that do not exist", Buffer.from([0, 0, 0, 0, 0, 0])],
    ["more context than liblzma takes", Buffer.from([0xff - (8 + 9 * 4), 0, 0, 0, 0, 0])],
    ["a stream that ends early", compress(noise).subarray(0, 300)],
  ])("refuses %s", (_name, stream) => {
    expect(() => decodeMicroLzma(stream, { sizeBytes: noise.length, isPartial: true })).toThrow(FormatError);
  });

  it("refuses a stream that goes on", () => {
    expect(() => decodeMicroLzma(compress(text), { sizeBytes: 100, isPartial: false })).toThrow(FormatError);
  });

  it("gives bytes or a FormatError for any bytes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.boolean(), async (stream, isPartial) => {
        const input = Buffer.concat([Buffer.from([0xa2]), stream]);
        await expectValueOrFormatError(() => decodeMicroLzma(input, { sizeBytes: 4096, isPartial }));
      }),
      { seed: 4, numRuns: 2000 },
    );
  });
});
