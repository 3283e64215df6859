import { FormatError, sha256Hex } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareCachedLibraries, compareLibraryNames } from "./compare.ts";
import { dumpLinkerCache } from "./dump.ts";
import type { LinkerCache } from "./format.ts";
import { readLinkerCache } from "./reader.ts";
import { layOutStrings } from "./string-table.ts";
import { encodeLinkerCache } from "./writer.ts";

const sample: LinkerCache = {
  libraries: [
    { soname: "libc.so.6", path: "/lib/x86_64-linux-gnu/libc.so.6", flags: 0x303 },
    {
      soname: "liba.so.1",
      path: "/lib/glibc-hwcaps/x86-64-v3/liba.so.1",
      flags: 0x303,
      hwcaps: { name: "x86-64-v3", isaLevel: 2 },
    },
    { soname: "liba.so.1", path: "/lib/liba.so.1", flags: 0x303 },
  ],
  hwcapsNames: ["x86-64-v3"],
  generator: "ldconfig (Test) stable release version 2.41",
};

describe("ld.so.cache", () => {
  it("has the documented layout", () => {
    const bytes = encodeLinkerCache(sample);
    expect(bytes.subarray(0, 20).toString()).toBe("glibc-ld.so.cache1.1");
    expect(bytes.readUInt32LE(20)).toBe(3);
    expect(dumpLinkerCache(readLinkerCache(bytes))).toBe(
      [
        "libc.so.6 0x303 => /lib/x86_64-linux-gnu/libc.so.6",
        "liba.so.1 0x303 [x86-64-v3, ISA level 2] => /lib/glibc-hwcaps/x86-64-v3/liba.so.1",
        "liba.so.1 0x303 => /lib/liba.so.1",
        "generator: ldconfig (Test) stable release version 2.41",
        "",
      ].join("\n"),
    );
    expect(sha256Hex(bytes)).toMatchInlineSnapshot(
      `"1a995c5d3ebaa26bd306e34b77edc60e05e3acddf2e6c58e86c25723f65982bc"`,
    );
  });

  it("reads back what was written", () => {
    expect(readLinkerCache(encodeLinkerCache(sample))).toEqual(sample);
  });

  it("gives a value or a FormatError for damaged bytes", () => {
    const good = encodeLinkerCache(sample);
    const change = fc.tuple(fc.nat({ max: good.length - 1 }), fc.nat({ max: 255 }));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), fc.nat({ max: good.length }), (changes, cut) => {
        const bytes = Buffer.from(good);
        for (const [at, value] of changes) bytes[at] = value;
        try {
          readLinkerCache(cut % 4 === 0 ? bytes.subarray(0, cut) : bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { seed: 4, numRuns: 2000 },
    );
  });
});

describe("layOutStrings", () => {
  it("lets a tail share its owner's bytes", () => {
    const { bytes, offsets } = layOutStrings(["libc.so.6", "/lib/libc.so.6", "other"]);
    expect(bytes.toString()).toBe("other\0/lib/libc.so.6\0");
    expect(Object.fromEntries(offsets)).toEqual({ other: 0, "/lib/libc.so.6": 6, "libc.so.6": 11 });
  });
});

describe("order", () => {
  it.each([
    ["libfoo.so.9", "libfoo.so.10", -1],
    ["libfoo.so.1", "libfoo.so.1", 0],
    ["libfoo.so.01", "libfoo.so.1", 0],
    ["libfoo.so", "libfoo.so.1", -1],
    ["liba1.so", "liba.so", 1],
    ["libb.so", "liba9.so", 1],
    ["", "x", -1],
    ["1", "", 1],
  ])("%j against %j is %i", (a, b, sign) => {
    expect(Math.sign(compareLibraryNames(a, b))).toBe(sign);
    expect(Math.sign(compareLibraryNames(b, a))).toBe(-sign || 0);
  });

  it("goes downwards by name, then glibc-hwcaps first", () => {
    const [libc, hwcaps, plain] = sample.libraries;
    expect([plain!, hwcaps!, libc!].sort(compareCachedLibraries)).toEqual([libc, hwcaps, plain]);
  });
});
