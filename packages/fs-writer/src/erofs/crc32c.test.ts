import { describe, expect, it } from "vitest";
import { crc32cRegister } from "./crc32c.ts";

describe("crc32cRegister", () => {
  it.each([
    ["32 zeros", Buffer.alloc(32), 0x8a9136aa],
    ["32 ones", Buffer.alloc(32, 0xff), 0x62a8ab43],
    ["0 to 31", Buffer.from(Array.from({ length: 32 }, (_, index) => index)), 0x46dd794e],
    ["31 to 0", Buffer.from(Array.from({ length: 32 }, (_, index) => 31 - index)), 0x113fdb5c],
  ])("inverted, gives what RFC 3720, B.4 says of %s", (_name, bytes, expected) => {
    expect((crc32cRegister(bytes) ^ 0xffffffff) >>> 0).toBe(expected);
  });
});
