import { FormatError } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { decodeLz4 } from "./lz4.ts";

const bytes = (...parts: (number | string | number[])[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.from([part].flat()))));
const whole = (input: Buffer, sizeBytes: number): string =>
  decodeLz4(input, { sizeBytes, isPartial: false }).toString();
const part = (input: Buffer, sizeBytes: number): string => decodeLz4(input, { sizeBytes, isPartial: true }).toString();

/** Literals `abc`, a match of 4 + 5 bytes at distance 3, then literals `xyzzy`. */
const SAMPLE = bytes(0x35, "abc", [3, 0], 0x50, "xyzzy");

describe("decodeLz4", () => {
  it("decodes literals and matches that overlap themselves", () => {
    expect(whole(SAMPLE, 17)).toBe("abcabcabcabcxyzzy");
    expect(whole(bytes(0x1f, "a", [1, 0], 255, 1, 0x50, "12345"), 1 + 4 + 15 + 256 + 5)).toBe(
      "a".repeat(276) + "12345",
    );
  });

  it("decodes long literals, and matches that are copied in pieces", () => {
    const text = "0123456789abcdefghijklmnopqrstuvwxyz".repeat(9);
    const literals = bytes(0xff, 255, text.length - 270, text, [36, 0], 85, 0x50, "12345");
    expect(whole(literals, text.length + 104 + 5)).toBe(text + text.slice(0, 104) + "12345");
  });

  it("stops where enough is decoded, whatever comes next", () => {
    for (let size = 1; size <= 17; size++) expect(part(SAMPLE, size)).toBe("abcabcabcabcxyzzy".slice(0, size));
    expect(part(Buffer.concat([SAMPLE, Buffer.alloc(9)]), 17)).toBe("abcabcabcabcxyzzy");
  });

  it.each([
    ["nothing", bytes(), 1],
    ["more than is wanted", SAMPLE, 16],
    ["a match beyond what is wanted", bytes(0x1f, "a", [1, 0], 255, 255, 0), 20],
    ["less than is wanted", SAMPLE, 18],
    ["literals that end early", bytes(0x50, "xyz"), 5],
    ["a length that ends early", bytes(0xf0, 255), 600],
    ["distance zero", bytes(0x15, "a", [0, 0]), 10],
    ["a distance before the start", bytes(0x15, "a", [2, 0]), 10],
    ["half a distance", bytes(0x15, "a", [1]), 10],
  ])("refuses %s", (_name, input, sizeBytes) => {
    expect(() => whole(input, sizeBytes)).toThrow(FormatError);
  });
});
