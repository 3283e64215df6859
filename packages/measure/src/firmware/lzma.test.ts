import { FormatError } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { decodeLzma } from "./lzma.ts";
import { makeLzma } from "./volume.fixture.ts";

describe("an LZMA stream", () => {
  const content = Buffer.from("firmware ".repeat(5000));
  const stream = makeLzma(content);
  const limit = { maxBytes: 1 << 20 };

  /** `stream` with another head. */
  function withHead(change: { properties?: number; dictionaryBytes?: number; unpackedBytes?: bigint }): Buffer {
    const bytes = Buffer.from(stream);
    if (change.properties !== undefined) bytes.writeUInt8(change.properties, 0);
    if (change.dictionaryBytes !== undefined) bytes.writeUInt32LE(change.dictionaryBytes, 1);
    if (change.unpackedBytes !== undefined) bytes.writeBigUInt64LE(change.unpackedBytes, 5);
    return bytes;
  }

  it("is decoded", async () => {
    await expect(decodeLzma(stream, limit)).resolves.toEqual(content);
  });

  it("may be followed by other bytes", async () => {
    await expect(decodeLzma(Buffer.concat([stream, Buffer.alloc(64, 0xff)]), limit)).resolves.toEqual(content);
  });

  it.each([
    ["is cut off", stream.subarray(0, 60)],
    ["is shorter than its head", stream.subarray(0, 12)],
    ["states other bits than there are", withHead({ properties: 225 })],
    ["wants a dictionary of 4 GiB", withHead({ dictionaryBytes: 0xffff_ffff })],
    ["states no size", withHead({ unpackedBytes: 0xffff_ffff_ffff_ffffn })],
    ["unpacks to more than is allowed", withHead({ unpackedBytes: 1_048_577n })],
    ["unpacks to less than it states", withHead({ unpackedBytes: 1_000_000n })],
  ])("is refused where it %s", async (_, bytes) => {
    await expect(decodeLzma(bytes, limit)).rejects.toThrow(FormatError);
  });

  it("gives bytes or a FormatError, whatever the stream", async () => {
    let seed = 3;
    const random = (below: number) => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) % below;
    for (let round = 0; round < 2000; round++) {
      const bytes = Buffer.from(stream);
      for (let change = 0; change < 3; change++) bytes[random(bytes.length)] = random(256);
      const decoded = await decodeLzma(bytes, limit).catch((error: unknown) => error);
      if (Buffer.isBuffer(decoded)) expect(decoded.length).toBeLessThanOrEqual(limit.maxBytes);
      else expect(decoded).toBeInstanceOf(FormatError);
    }
  });
});
