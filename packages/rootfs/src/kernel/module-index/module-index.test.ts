import { FormatError, sha256Hex } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dumpModuleIndex } from "./dump.ts";
import { readModuleIndex } from "./reader.ts";
import { ModuleIndexWriter } from "./writer.ts";

function encode(entries: readonly (readonly [key: string, value: string, priority: number])[]): Buffer {
  const writer = new ModuleIndexWriter();
  for (const [key, value, priority] of entries) writer.add(key, { value, priority });
  return writer.encode();
}

describe("kmod index", () => {
  it("lays out a small tree", () => {
    const bytes = encode([
      ["dm_mod", "dm-mod.ko:", 7],
      ["dm_crypt", "dm-crypt.ko: dm-mod.ko", 3],
      ["dm_mod", "earlier", 1],
      ["dm", "short", 2],
    ]);
    expect(dumpModuleIndex(readModuleIndex(bytes))).toBe(
      "dm = short (2)\ndm_crypt = dm-crypt.ko: dm-mod.ko (3)\ndm_mod = earlier (1)\ndm_mod = dm-mod.ko: (7)\n",
    );
    expect(sha256Hex(bytes)).toMatchInlineSnapshot(
      `"f2cbc02a154de598deeecc41a25e6fff01f94a0a043bf320a26cd7caab11e69b"`,
    );
  });

  it("of nothing is a header alone, as depmod writes it", () => {
    expect(encode([]).toString("hex")).toBe("b007f457000200010000000c");
    expect(readModuleIndex(encode([]))).toEqual([]);
  });

  it("gives back every key with its values by priority, the last added first among equals", () => {
    const key = fc.string({ unit: fc.constantFrom("a", "b", "_", "*", "~"), maxLength: 6 });
    const entry = fc.tuple(key, fc.string({ unit: "grapheme-ascii", maxLength: 5 }), fc.nat({ max: 3 }));
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 40 }), (entries) => {
        const expected = new Map<string, { priority: number; value: string }[]>();
        for (const [name, value, priority] of entries) {
          const values = expected.get(name) ?? [];
          expected.set(
            name,
            [{ priority, value }, ...values].sort((a, b) => a.priority - b.priority),
          );
        }
        const sorted = [...expected].sort(([a], [b]) => (a < b ? -1 : 1));
        expect(readModuleIndex(encode(entries))).toEqual(sorted.map(([name, values]) => ({ key: name, values })));
      }),
      { seed: 2, numRuns: 500 },
    );
  });

  it.each([
    ["nothing", ""],
    ["another magic", "b007f458000200010000000c"],
    ["another version", "b007f457000300010000000c"],
    ["a root outside", "b007f457000200014000ffff"],
    ["a node that is its own child", "b007f457000200012000000c61612000000c"],
    ["more values than bytes", "b007f457000200014000000cffffffff"],
  ])("refuses %s", (_, hex) => {
    expect(() => readModuleIndex(Buffer.from(hex, "hex"))).toThrow(FormatError);
  });

  it("gives a value or a FormatError for damaged bytes", () => {
    const good = encode([...Array(50).keys()].map((n) => [`module_${n.toString(3)}`, `value ${n}`, n] as const));
    const change = fc.tuple(fc.nat({ max: good.length - 1 }), fc.nat({ max: 255 }));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), (changes) => {
        const bytes = Buffer.from(good);
        for (const [at, value] of changes) bytes[at] = value;
        try {
          readModuleIndex(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { seed: 3, numRuns: 2000 },
    );
  });
});
