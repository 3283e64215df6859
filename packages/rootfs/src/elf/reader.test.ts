import { FormatError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readModuleFacts } from "../kernel/module-facts.ts";
import { readLibrary } from "../linker-cache/library.ts";
import { makeElf, makeLibrary, makeModule } from "./elf.fixture.ts";
import { readElf } from "./reader.ts";

const module = makeModule({
  modinfo: ["license=GPL", "depends=a-b,c"],
  exports: ["one", "two"],
  needs: ["printk", "three"],
});
const library = makeLibrary({ soname: "libx.so.1", isaNeeded: 0b101 });

describe("readElf", () => {
  it("finds sections by name", () => {
    const elf = readElf(makeElf({ type: "relocatable", sections: [{ name: ".text", bytes: Buffer.from("code") }] }));
    expect(elf.section(".text")?.toString()).toBe("code");
    expect(elf.section(".data")).toBeUndefined();
  });

  it.each([
    ["nothing", Buffer.alloc(0), "expected 64 bytes, got 0"],
    ["no ELF file", Buffer.alloc(64, "x"), "expected a 64-bit little-endian ELF object"],
    ["a 32-bit object", Buffer.concat([Buffer.from("\x7fELF\x01\x01", "latin1"), Buffer.alloc(58)]), "64-bit"],
    [
      "a big-endian object",
      Buffer.concat([Buffer.from("\x7fELF\x02\x02", "latin1"), Buffer.alloc(58)]),
      "little-endian",
    ],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => readElf(bytes)).toThrow(FormatError);
    expect(() => readElf(bytes)).toThrow(message);
  });
});

describe("readModuleFacts", () => {
  it("reads what modules say of themselves", () => {
    expect(readModuleFacts(module)).toEqual({
      depends: ["a_b", "c"],
      softdeps: [],
      weakdeps: [],
      aliases: [],
      exports: ["one", "two"],
      needs: ["printk", "three"],
    });
  });
});

describe("readLibrary", () => {
  it("reads the soname and the highest ISA level", () => {
    expect(readLibrary(library)).toEqual({ soname: "libx.so.1", flags: 0x303, isaLevel: 2 });
    expect(readLibrary(makeLibrary({ machine: 183 }))).toEqual({ flags: 0xa03, isaLevel: 0 });
  });

  it("passes over programs and objects of other machines", () => {
    expect(readLibrary(makeLibrary({ soname: "x", type: "executable" }))).toBeUndefined();
    expect(readLibrary(makeLibrary({ soname: "x", machine: 8 }))).toBeUndefined();
  });
});

describe("damaged objects", () => {
  const corpus = fc.constantFrom(module, library).chain((bytes) =>
    fc
      .array(fc.tuple(fc.nat({ max: bytes.length - 1 }), fc.nat({ max: 255 })), { minLength: 1, maxLength: 12 })
      .chain((changes) =>
        fc.nat({ max: bytes.length }).map((cut) => {
          const copy = Buffer.from(bytes);
          for (const [at, value] of changes) copy[at] = value;
          return cut % 3 === 0 ? copy.subarray(0, cut) : copy;
        }),
      ),
  );

  it("give a value or a FormatError", () => {
    fc.assert(
      fc.property(corpus, (bytes) => {
        for (const read of [readModuleFacts, readLibrary]) {
          try {
            read(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError);
          }
        }
      }),
      { seed: 1, numRuns: 3000 },
    );
  });
});
