import { type ByteSource, bytesSource, FormatError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { dumpTree } from "../dump-tree.ts";
import { expectValueOrFormatError } from "../fuzz.fixture.ts";
import type { FatVariant } from "./format.ts";
import { openVfat, readVfatTree } from "./reader.ts";
import { ORIGIN, sampleTree, volumeOf } from "./sample.fixture.ts";

const MEBIBYTE = 1 << 20;
/** Of each variant; more with an environment variable. */
const CASES = Number(process.env["CVM_FUZZ_CASES"] ?? 5000);
const FUZZ = { timeout: 30_000 + CASES * 10 };
const VARIANTS: FatVariant[] = ["fat12", "fat16", "fat32"];
const volumes = {} as Record<FatVariant, Buffer>;

beforeAll(async () => {
  for (const variant of VARIANTS) volumes[variant] = (await volumeOf(sampleTree(), { variant })).bytes;
});

const read = (bytes: Buffer) => readVfatTree(bytesSource(bytes), { origin: ORIGIN });

/** Bytes with some overwritten, without a copy of them all: a volume of FAT32 has 33 MiB. */
function patchedSource(bytes: Buffer, patches: readonly (readonly [offset: number, patch: Uint8Array])[]): ByteSource {
  const source = bytesSource(bytes);
  return {
    sizeBytes: source.sizeBytes,
    read(offsetBytes, lengthBytes) {
      const copy = Buffer.from(source.read(offsetBytes, lengthBytes));
      for (const [offset, patch] of patches) {
        for (const [index, byte] of patch.entries()) {
          const at = offset + index - offsetBytes;
          if (at >= 0 && at < lengthBytes) copy[at] = byte;
        }
      }
      return copy;
    },
  };
}

describe("readVfatTree", () => {
  it.each(VARIANTS)("reads back what was written as %s", (variant) => {
    const sample = dumpTree(sampleTree());
    // Linux' default mode.
    const expected = Object.entries(sample).map(([path, line]) => [path, line.replace("file 0644", "file 0755")]);
    expect(dumpTree(read(volumes[variant]))).toEqual(Object.fromEntries(expected));
    const volume = openVfat(bytesSource(volumes[variant]));
    expect([volume.geometry.variant, volume.label, volume.serial]).toEqual([variant, "ESP", 0x1234abcd]);
  });

  /** The FAT12 sample with two bytes at an offset of a record changed. */
  const broken = (offset: number, ...patch: number[]): Buffer => {
    const copy = Buffer.from(volumes.fat12);
    copy.set(patch, offset);
    return copy;
  };
  /** Offset of a record that begins with `text`. */
  const recordAt = (text: string): number => volumes.fat12.indexOf(text, 0, "latin1");

  it.each<[what: string, bytes: () => Buffer, message: string]>([
    ["half a sector", () => volumes.fat12.subarray(0, 30), "expected 36 bytes, got 30"],
    ["no jump", () => broken(0, 0), "expected a jump, got 003c90"],
    ["sectors of 8 KiB", () => broken(11, 0, 0x20), "sectorSizeBytes: expected one of 512, 1024, 2048, 4096, got 8192"],
    ["three sectors a cluster", () => broken(13, 3), "expected a power of two up to 128, got 3"],
    ["no table", () => broken(16, 0), "tables: expected 1 to 4, got 0"],
    ["a file that ends early", () => volumes.fat12.subarray(0, MEBIBYTE / 2), "totalSectors: expected at most 1024"],
    ["a table that is too small", () => broken(22, 1), "tableSectors: expected at least 2, got 1"],
    ["a file in another's place", () => broken(recordAt("BOOTX64 EFI") + 26, 2), "which is in use"],
    ["a file beyond the volume", () => broken(recordAt("BOOTX64 EFI") + 26, 0xee, 0x0e), "does not have"],
    ["a directory that is free space", () => broken(recordAt("BOOT       ") + 26, 0, 0), "which means a free one"],
    ["a directory that holds itself", () => broken(recordAt("BOOT       ") + 26, 2, 0), "which is in use"],
    ["a file that is larger than its clusters", () => broken(recordAt("BOOTX64 EFI") + 28, 0, 0, 9), "got 8192"],
  ])("refuses %s", (_what, bytes, message) => {
    expect(() => read(bytes())).toThrow(FormatError);
    expect(() => read(bytes())).toThrow(message);
  });

  it("stops at the bound", () => {
    const source = bytesSource(volumes.fat16);
    expect(() => readVfatTree(source, { origin: ORIGIN, maxSizeBytes: 10_000 })).toThrow("within the bound");
  });

  it("shows the short name where a long one belongs to another entry", () => {
    const at = recordAt("CVM-BU~1EFI");
    expect(read(broken(at, 0x44)).list("/EFI/Linux")).toEqual(["DVM-BU~1.EFI", "cvm-build-reth-node_1.0+3.efi"]);
  });

  it("shows short names in the case that they are flagged with", () => {
    const at = recordAt("BOOTX64 EFI");
    expect(read(broken(at + 12, 0x08)).list("/EFI/BOOT")).toEqual(["bootx64.EFI"]);
    expect(read(broken(at + 12, 0x18)).list("/EFI/BOOT")).toEqual(["bootx64.efi"]);
    expect(read(broken(at + 4, 0x81)).list("/EFI/BOOT")).toEqual(["BOOTü64.EFI"]);
  });

  it.each(VARIANTS)("gives a tree or a FormatError for mutated %s", FUZZ, async (variant) => {
    const bytes = volumes[variant];
    const used = bytes.findLastIndex((byte) => byte !== 0);
    const { reservedSectors, tables, tableSectors, dataSector } = openVfat(bytesSource(bytes)).geometry;
    const places = fc.oneof(
      fc.nat({ max: 90 }),
      fc.nat({ max: 80 }).map((at) => reservedSectors * 512 + at),
      fc.nat({ max: 640 }).map((at) => (reservedSectors + tables * tableSectors) * 512 + at),
      fc.nat({ max: used - dataSector * 512 }).map((at) => dataSector * 512 + at),
    );
    const patch = fc.tuple(places, fc.uint8Array({ minLength: 1, maxLength: 6 }));
    await fc.assert(
      fc.asyncProperty(fc.array(patch, { minLength: 1, maxLength: 5 }), (patches) =>
        expectValueOrFormatError(() => readVfatTree(patchedSource(bytes, patches), { origin: ORIGIN })),
      ),
      { seed: 4, numRuns: CASES },
    );
  });
});
