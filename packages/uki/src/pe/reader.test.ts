import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesSource, FormatError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { authenticodeDigests } from "./authenticode.ts";
import { dumpPe } from "./dump.ts";
import { CoffHeader, OptionalHeader64 } from "./format.ts";
import { makePe, makeStub } from "./pe.fixture.ts";
import { readPe } from "./reader.ts";

const small = () =>
  makePe({
    sections: [
      { name: ".text", content: "code" },
      { name: ".data", content: "data" },
    ],
  });
const optional = 0x40 + CoffHeader.sizeBytes;
const sectionTable = optional + 240;

/** `small()` with some bytes changed. */
function changed(change: (bytes: Buffer) => Buffer | void): Buffer {
  const bytes = small();
  return change(bytes) ?? bytes;
}

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

  it.each<[string, Buffer, string]>([
    ["nothing", Buffer.alloc(0), "DosHeader at 0x0: expected 64 bytes, but the file has 0"],
    ["no MZ", changed((bytes) => bytes.fill(0, 0, 2)), 'DosHeader.magic at 0x0: expected "MZ"'],
    [
      "a PE offset beyond the file",
      changed((bytes) => void bytes.writeUInt32LE(0xffff_ffff, 0x3c)),
      "CoffHeader at 0x",
    ],
    ["no PE signature", changed((bytes) => bytes.fill(1, 0x40, 0x44)), "CoffHeader.signature at 0x40"],
    [
      "too many sections",
      changed((bytes) => void bytes.writeUInt16LE(0xffff, 0x46)),
      "CoffHeader.numberOfSections at 0x46: expected at most 2048 sections, got 65535",
    ],
    [
      "a section table beyond the file",
      changed((bytes) => void bytes.writeUInt16LE(2000, 0x46)),
      "SectionHeader at 0x",
    ],
    ["an unknown magic", changed((bytes) => void bytes.writeUInt16LE(0x107, optional)), "OptionalHeader.magic at 0x58"],
    ["no optional header", changed((bytes) => void bytes.writeUInt16LE(0, 0x54)), "got nothing"],
    ["half an optional header", changed((bytes) => void bytes.writeUInt16LE(64, 0x54)), "OptionalHeader64 at 0x0"],
    [
      "too many directories",
      changed((bytes) => void bytes.writeUInt32LE(17, optional + OptionalHeader64.offsetOf("numberOfRvaAndSizes"))),
      "expected at most 16 data directories that fill the header, got 17 where 16 fit",
    ],
    [
      "headers larger than the file",
      changed((bytes) => void bytes.writeUInt32LE(1 << 30, optional + OptionalHeader64.offsetOf("sizeOfHeaders"))),
      "OptionalHeader.sizeOfHeaders at 0x58",
    ],
    [
      "headers that leave out the headers",
      changed((bytes) => void bytes.writeUInt32LE(100, optional + OptionalHeader64.offsetOf("sizeOfHeaders"))),
      "expected 408..2048, got 100",
    ],
    [
      "signatures larger than the file",
      changed((bytes) => void bytes.writeUInt32LE(5000, optional + 112 + 4 * 8 + 4)),
      "DataDirectory.security",
    ],
    [
      "a section beyond the file",
      changed((bytes) => void bytes.writeUInt32LE(0x7fff_ffff, sectionTable + 16)),
      'expected section ".text" to end within',
    ],
    [
      "sections that share bytes",
      changed((bytes) => void bytes.writeUInt32LE(0x400, sectionTable + 40 + 20)),
      'expected section ".data" at 0x600 or later, got 0x400',
    ],
    ["a cut file", changed((bytes) => bytes.subarray(0, 1600)), 'expected section ".data" to end within'],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => readPe(bytesSource(bytes))).toThrow(FormatError);
    expect(() => readPe(bytesSource(bytes))).toThrow(message);
  });

  it("gives an image or a FormatError for mutated bytes, and so does the digest", () => {
    const original = makeStub("257.1");
    const mutation = fc.tuple(fc.nat(original.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 12 }), fc.nat(original.length), (mutations, cut) => {
        const bytes = Buffer.from(original.subarray(0, cut % 3 === 0 ? cut : original.length));
        for (const [offset, value] of mutations) if (offset < bytes.length) bytes[offset] = value;
        for (const decode of [
          readPe,
          (source: ReturnType<typeof bytesSource>) => authenticodeDigests(source, ["sha256"]),
        ]) {
          try {
            decode(bytesSource(bytes));
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError);
          }
        }
      }),
      { seed: 1, numRuns: 3000 },
    );
  });
});
