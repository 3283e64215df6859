import { bytesSource, FormatError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readCompatible } from "./device-tree.ts";
import { makeDeviceTree } from "./device-tree.fixture.ts";

const read = (bytes: Buffer) => readCompatible(bytesSource(bytes));

describe("readCompatible", () => {
  it.each<[string, [string, string][], string[]]>([
    ["one", [["compatible", "acme,board\0"]], ["acme,board"]],
    [
      "several, behind another property",
      [
        ["model", "Acme\0"],
        ["compatible", "acme,b\0acme,a\0"],
      ],
      ["acme,b", "acme,a"],
    ],
    ["none", [["model", "Acme\0"]], []],
  ])("reads %s", (_, properties, expected) => {
    expect(read(makeDeviceTree(properties))).toEqual(expected);
  });

  const tree = makeDeviceTree([
    ["model", "Acme\0"],
    ["compatible", "acme,board\0"],
  ]);

  it.each([
    ["nothing", Buffer.alloc(0)],
    ["another magic", Buffer.from(tree).fill(0, 0, 1)],
    ["a structure beyond the end", Buffer.from(tree).fill(0xff, 8, 12)],
    ["a tree that is cut", tree.subarray(0, 60)],
  ])("refuses %s", (_, bytes) => {
    expect(() => read(bytes)).toThrow(FormatError);
  });

  it("gives texts or a FormatError for mutated bytes", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(tree.length - 1), fc.nat(255)), { maxLength: 6 }), (mutations) => {
        const mutated = Buffer.from(tree);
        for (const [offset, value] of mutations) mutated[offset] = value;
        try {
          read(mutated);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { seed: 1, numRuns: 2000 },
    );
  });
});
