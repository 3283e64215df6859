import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesSource } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { dumpPe } from "./dump.ts";
import { makePe, makeStub } from "./pe.fixture.ts";
import { readPe } from "./reader.ts";

const small = () =>
  makePe({
    sections: [
      { name: ".text", content: "code" },
      { name: ".data", content: "data" },
    ],
  });
describe("readPe", () => {
  it("reads headers as text that a person can check", () => {
    expect(dumpPe(readPe(bytesSource(small())))).toBe(
      [
        "[coff at 0x40]",
        "signature = 50450000",
        "machine = 0x8664",
        "numberOfSections = 0x2",
        "timeDateStamp = 0x12345678",
        "pointerToSymbolTable = 0x0",
        "numberOfSymbols = 0x0",
        "sizeOfOptionalHeader = 0xf0",
        "characteristics = 0x22e",
        "[optional at 0x58]",
        "magic = 0x20b",
        "majorLinkerVersion = 0x0",
        "minorLinkerVersion = 0x0",
        "sizeOfCode = 0x200",
        "sizeOfInitializedData = 0x400",
        "sizeOfUninitializedData = 0x0",
        "addressOfEntryPoint = 0x1000",
        "baseOfCode = 0x1000",
        "imageBase = 0x0",
        "sectionAlignment = 0x1000",
        "fileAlignment = 0x200",
        `versions = ${"00".repeat(16)}`,
        "sizeOfImage = 0x3000",
        "sizeOfHeaders = 0x400",
        "checkSum = 0xdeadbeef",
        "subsystem = 0xa",
        "dllCharacteristics = 0x0",
        `stackAndHeapSizes = ${"00".repeat(32)}`,
        "loaderFlags = 0x0",
        "numberOfRvaAndSizes = 0x10",
        "[directories at 0xc8]",
        "[sections at 0x148]",
        ".text    memory 0x1000 +0x4 file 0x400 +0x200 flags 0x40000000",
        ".data    memory 0x2000 +0x4 file 0x600 +0x200 flags 0x40000000",
        "",
      ].join("\n"),
    );
  });

  it("sees the sections that objdump sees", ({ skip }) => {
    const folder = mkdtempSync(join(tmpdir(), "cvm-uki-"));
    try {
      writeFileSync(join(folder, "stub.efi"), makeStub("257"));
      const text = execFileSync("objdump", ["-h", join(folder, "stub.efi")], { encoding: "utf8" });
      const seen = [...text.matchAll(/^ +\d+ (\S+) +([0-9a-f]{8}) .*? ([0-9a-f]{8}) +2\*\*/gm)];
      expect(seen.map(([, name, , offset]) => [name, Number.parseInt(offset ?? "", 16)])).toEqual(
        readPe(bytesSource(makeStub("257"))).sections.map(({ name, pointerToRawData }) => [name, pointerToRawData]),
      );
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT" && !process.env["CI"]) skip();
      throw error;
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
