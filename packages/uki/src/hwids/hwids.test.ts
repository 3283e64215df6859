import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CvmError, FormatError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readHwidDirectory } from "./directory.ts";
import { dumpHwids } from "./dump.ts";
import { readHwids } from "./reader.ts";
import { encodeHwids } from "./writer.ts";

const file = (path: string, json: unknown) => ({ path, text: typeof json === "string" ? json : JSON.stringify(json) });
const low = "01020304-0506-0708-090a-0b0c0d0e0f10";
const high = "F1020304-0506-0708-090A-0B0C0D0E0F10";
const board = { type: "devicetree", name: "Board", compatible: "acme,board", hwids: [high, low] };

describe("encodeHwids", () => {
  it("writes ids sorted, little-endian, with offsets of sorted texts", () => {
    expect(encodeHwids([file("board.json", board)]).toString("hex")).toBe(
      [
        ["1c000010", "0403020106050807090a0b0c0d0e0f10", "54000000", "5a000000"],
        ["1c000010", "040302f106050807090a0b0c0d0e0f10", "54000000", "5a000000"],
        ["00".repeat(28), Buffer.from("Board\0acme,board\0").toString("hex")],
      ]
        .flat()
        .join(""),
    );
  });

  it("takes devices in the order of their files, whatever their order in the request", () => {
    const files = [
      file("b/a.json", { ...board, name: "third" }),
      file("a-b/a.json", { ...board, name: "second", hwids: [`{${low.replaceAll("-", "")}}`] }),
      file("a/z.json", { name: "first", compatible: "x", hwids: [high] }),
      file("c.json", { name: "firmware", fwid: "fw", hwids: [low] }),
      file("d.json", { ...board, name: "third", hwids: [low] }),
    ];
    const expected = `devicetree "first" -> "x"
  ${high.toLowerCase()}
devicetree "second" -> "acme,board"
  ${low}
devicetree "third" -> "acme,board"
  ${low}
  ${high.toLowerCase()}
uefi-fw "firmware" -> "fw"
  ${low}
`;
    for (const given of [files, files.toReversed()]) expect(dumpHwids(readHwids(encodeHwids(given)))).toBe(expected);
  });

  it.each([
    ["no JSON", "{", "expected JSON"],
    ["a list", "[]", "expected an object"],
    ["an unknown type", { ...board, type: "board" }, 'expected "type" devicetree or uefi-fw, got "board"'],
    ["no name", { ...board, name: undefined }, 'expected "name" to be text without NUL, got undefined'],
    ["a firmware's id for a board", { ...board, fwid: "x" }, 'expected "compatible" of a devicetree alone, got "fwid"'],
    ["ids that are no list", { ...board, hwids: low }, 'expected "hwids" to be a list'],
    ["an id that is none", { ...board, hwids: ["0102"] }, "expected a hardware id such as"],
  ])("refuses %s", (_, json, message) => {
    expect(() => encodeHwids([file("x.json", json)])).toThrow(CvmError);
    expect(() => encodeHwids([file("x.json", json)])).toThrow(`cannot read hardware ids "x.json": ${message}`);
  });
});

describe("readHwidDirectory", () => {
  it("finds descriptions in folders below, and says where there are none", () => {
    const folder = mkdtempSync(join(tmpdir(), "cvm-hwids-"));
    try {
      expect(() => readHwidDirectory(folder)).toThrow("expected *.json, got none");
      expect(() => readHwidDirectory(join(folder, "none"))).toThrow("ENOENT");
      mkdirSync(join(folder, "acme"));
      writeFileSync(join(folder, "acme/board.json"), JSON.stringify(board));
      writeFileSync(join(folder, "readme.txt"), "");
      expect(readHwidDirectory(folder)).toEqual([file("acme/board.json", board)]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("readHwids", () => {
  const bytes = encodeHwids([file("board.json", board)]);

  it("passes over kinds of device that it does not know", () => {
    const foreign = Buffer.from(bytes);
    foreign.writeUInt8(0x30, 3);
    expect(readHwids(foreign)).toEqual([
      { type: "devicetree", name: "Board", value: "acme,board", chids: [high.toLowerCase()] },
    ]);
  });

  it.each([
    ["no end", Buffer.from(`1c000030${"00".repeat(24)}`, "hex"), "HwidEntry at 0x1c: expected 28 bytes, got 0"],
    ["a text without end", bytes.subarray(0, -1), "HwidEntry.valueOffset at 0x0: expected text that ends in NUL"],
    ["an entry without size", Buffer.from(bytes).fill(0, 0, 1), "expected an entry of at least 28 bytes, got 0"],
  ])("refuses %s", (_, damaged, message) => {
    expect(() => readHwids(damaged)).toThrow(FormatError);
    expect(() => readHwids(damaged)).toThrow(message);
  });

  it("gives devices or a FormatError for mutated bytes", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 6 }), (mutations) => {
        const mutated = Buffer.from(bytes);
        for (const [offset, value] of mutations) mutated[offset] = value;
        try {
          readHwids(mutated);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { seed: 1, numRuns: 2000 },
    );
  });
});
