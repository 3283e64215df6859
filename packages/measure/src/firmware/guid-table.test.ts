import { FormatError } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { tableEntry } from "./firmware.fixture.ts";
import { readGuidTable } from "./guid-table.ts";

const FOOTER = "96b582de-1fb2-45f7-baea-a366c55a082d";
const RESET_BLOCK = "00f771de-1a7e-4fcb-890e-68c77e2fb44e";
const HASH_TABLE = "7255371f-3a3b-4b04-927b-1da6efa8d454";

function entry(guid: string, data: string, sizeBytes?: number): Buffer {
  return tableEntry(guid, Buffer.from(data, "hex"), sizeBytes);
}

function firmware(...entries: Buffer[]): Buffer {
  const table = Buffer.concat(entries);
  const footer = tableEntry(FOOTER, Buffer.alloc(0), table.length + 18);
  return Buffer.concat([Buffer.alloc(64, 0xaa), table, footer, Buffer.alloc(32, 0x90)]);
}

describe("the table of GUIDs", () => {
  it("gives each entry's data", () => {
    const table = readGuidTable(firmware(entry(HASH_TABLE, "000c810000040000"), entry(RESET_BLOCK, "04b08000")));
    expect([...table].map(([guid, data]) => [guid, data.toString("hex")])).toEqual([
      [RESET_BLOCK, "04b08000"],
      [HASH_TABLE, "000c810000040000"],
    ]);
  });

  it("takes the entry nearest the end, as QEMU does, where two have one GUID", () => {
    const table = readGuidTable(firmware(entry(RESET_BLOCK, "01"), entry(RESET_BLOCK, "02")));
    expect(table.get(RESET_BLOCK)).toEqual(Buffer.of(2));
  });

  it("leaves alone what is too short for an entry, as QEMU does", () => {
    expect(readGuidTable(firmware(Buffer.alloc(3), entry(RESET_BLOCK, "01"))).size).toBe(1);
  });

  it("is empty where there is none", () => {
    expect(readGuidTable(Buffer.alloc(4096)).size).toBe(0);
    expect(readGuidTable(Buffer.alloc(10)).size).toBe(0);
    expect(readGuidTable(firmware()).size).toBe(0);
  });

  it.each([
    ["an entry shorter than its own head", firmware(entry(RESET_BLOCK, "01", 17))],
    ["an entry of no bytes", firmware(entry(RESET_BLOCK, "", 0))],
    ["an entry that begins before the table", firmware(entry(RESET_BLOCK, "01", 20))],
    ["bytes before the first entry that are none", firmware(Buffer.alloc(18), entry(RESET_BLOCK, "01"))],
    ["a table that begins before the file", firmware().subarray(-50).fill(0xff, 0, 2)],
  ])("refuses %s", (_, bytes) => {
    expect(() => readGuidTable(bytes)).toThrow(FormatError);
  });
});
