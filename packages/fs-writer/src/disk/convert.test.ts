import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateRawSync, gunzipSync } from "node:zlib";
import { bytesSource, FormatError, sha256Hex } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { mutated } from "../fuzz.fixture.ts";
import { convertDisk, type ConvertedDiskFormat } from "./convert.ts";
import { dumpDisk } from "./dump.ts";
import { sparseTar } from "./gcp/sparse-tar.ts";
import { openDisk } from "./open.ts";
import { COMPRESSED_BIT, Qcow2Header } from "./qcow2/format.ts";
import { VhdFooter, vhdChecksum } from "./vhd/format.ts";

/** How many damaged images each test reads; a night's run takes more. */
const CASES = Number(process.env["CVM_FUZZ_CASES"] ?? 4000);
const FUZZ = { timeout: 30_000 + CASES * 10 };
const MIB = 1 << 20;
const CLUSTER = 65_536;
const folder = mkdtempSync(join(tmpdir(), "cvm-convert-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function convert(disk: Buffer, format: ConvertedDiskFormat): Promise<Buffer> {
  const [path, output] = [join(folder, "raw"), join(folder, format)] as const;
  writeFileSync(path, disk);
  const written = await convertDisk({ path }, { output, format });
  const bytes = readFileSync(output);
  expect(written).toEqual({ sizeBytes: bytes.length, sha256: sha256Hex(bytes) });
  return bytes;
}

/** Zeros, but for two pieces of the first cluster and the last. */
function makeDisk(): Buffer {
  const disk = Buffer.alloc(9 * CLUSTER + 1024);
  disk.write("first", 512);
  disk.write("middle", 4 * CLUSTER + 7);
  disk.write("last", disk.length - 4);
  return disk;
}

const diskOf = (image: Buffer): Buffer => {
  const disk = openDisk(bytesSource(image));
  return disk.read(0, disk.sizeBytes);
};

describe("convertDisk", () => {
  it.each([
    // The very bytes in which `qemu-img check` and `qemu-img compare` of 7.2 found nothing wrong.
    ["qcow2", 8 * CLUSTER, "b5dd4e320bb380215680746c9da5d0c3ed64099af7a5c7cf9715cbd7dc0b5c09"],
    ["vhd", MIB + 512, "8a28e70099fc2d68154747b0419b85028b99d18116fdfc8ca875629217453250"],
  ] as const)("makes the same %s of the same disk each time", async (format, sizeBytes, sha256) => {
    const disk = makeDisk();
    const image = await convert(disk, format);
    expect(image).toHaveLength(sizeBytes);
    expect(sha256Hex(image)).toBe(sha256);
    expect(openDisk(bytesSource(image)).format).toBe(format);
    expect(diskOf(image).subarray(0, disk.length).equals(disk)).toBe(true);
  });

  it("says in containers what disks they hold", async () => {
    expect(dumpDisk(bytesSource(await convert(makeDisk(), "qcow2")))).toMatchInlineSnapshot(`
      "magic = 0x514649fb
      version = 0x3
      backingFileOffset = 0x0
      backingFileSize = 0x0
      clusterBits = 0x10
      sizeBytes = 0x90400
      cryptMethod = 0x0
      l1Size = 0x1
      l1TableOffset = 0x30000
      refcountTableOffset = 0x10000
      refcountTableClusters = 0x1
      snapshots = 0x0
      snapshotsOffset = 0x0
      "
    `);
    expect(dumpDisk(bytesSource(await convert(makeDisk(), "vhd")))).toMatchInlineSnapshot(`
      "cookie = "conectix"
      features = 0x2
      version = 0x10000
      dataOffset = 0xffffffffffffffff
      timestamp = 0x0
      creatorApplication = "qem2"
      creatorVersion = 0x50003
      creatorHostOs = "Wi2k"
      originalSizeBytes = 0x100000
      currentSizeBytes = 0x100000
      cylinders = 0xffff
      heads = 0x10
      sectorsPerTrack = 0xff
      diskType = 0x2
      checksum = 0xffffe721
      uniqueId = 6a6e074e903d8341af0edab58cab9ba1
      savedState = 0x0
      "
    `);
    expect(dumpDisk(bytesSource(makeDisk()))).toBe("");
  });

  it("makes an archive whose gzip header says nothing", async () => {
    const archive = await convert(makeDisk(), "gcp");
    expect(archive.subarray(0, 10).toString("hex")).toBe("1f8b0800000000000003");
    const tar = gunzipSync(archive);
    // One header, two pieces of 64 KiB and one of 1 KiB, in whole records.
    expect(tar).toHaveLength(14 * 10_240);
    expect([512 + 512, 512 + 65_536 + 7].map((at) => tar.toString("latin1", at, at + 5))).toEqual(["first", "middl"]);
  });

  it("makes qcow2 of a disk of zeros, and of one that has none", async () => {
    const zeros = await convert(Buffer.alloc(CLUSTER), "qcow2");
    expect(zeros).toHaveLength(4 * CLUSTER);
    expect(diskOf(zeros).equals(Buffer.alloc(CLUSTER))).toBe(true);
    const full = Buffer.alloc(3 * CLUSTER, "x");
    expect(diskOf(await convert(full, "qcow2")).equals(full)).toBe(true);
  });
});

describe("sparseTar", () => {
  it("goes on in further blocks where there are many stretches", () => {
    const disk = Buffer.alloc(100 * 1024, "data");
    const extents = Array.from({ length: 50 }, (_, index) => ({ offsetBytes: index * 2048, sizeBytes: 1024 }));
    const parts = [...sparseTar(bytesSource(disk), { extents, sizeBytes: 2 ** 40 })].map((part) => Buffer.from(part));
    const [headers] = parts;
    // 4, 21, 21 and 5 stretches, the last of which is the end.
    expect(headers).toHaveLength(4 * 512);
    expect([482, 512 + 504, 1024 + 504, 1536 + 504].map((at) => headers?.[at])).toEqual([1, 1, 1, 0]);
    // 2^40 has too many octal digits.
    expect(headers?.subarray(483, 495).toString("hex")).toBe("800000000000010000000000");
    expect(Buffer.concat(parts).length % 10_240).toBe(0);
  });
});

describe("openDisk", () => {
  it("gives any other file as it is", () => {
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(3), Buffer.from("some disk")]) {
      expect(openDisk(bytesSource(bytes)).format).toBe("raw");
      expect(diskOf(bytes).equals(bytes)).toBe(true);
    }
  });

  it("reads across clusters, and nothing outside", async () => {
    const disk = makeDisk();
    const opened = openDisk(bytesSource(await convert(disk, "qcow2")));
    for (const [offsetBytes, lengthBytes] of [
      [0, 0],
      [500, 20],
      [4 * CLUSTER - 3, CLUSTER + 20],
      [disk.length - 2, 2],
    ] as const) {
      const expected = disk.subarray(offsetBytes, offsetBytes + lengthBytes);
      expect(opened.read(offsetBytes, lengthBytes).equals(expected)).toBe(true);
    }
    for (const [offsetBytes, lengthBytes] of [
      [disk.length - 1, 2],
      [-1, 1],
      [0, -1],
      [0.5, 1],
    ] as const) {
      expect(() => opened.read(offsetBytes, lengthBytes)).toThrow(FormatError);
    }
  });

  it("reads compressed clusters", async () => {
    const image = withCompressedCluster(await convert(makeDisk(), "qcow2"), Buffer.alloc(CLUSTER, "packed"));
    expect(diskOf(image).subarray(0, CLUSTER).equals(Buffer.alloc(CLUSTER, "packed"))).toBe(true);
    const short = withCompressedCluster(await convert(makeDisk(), "qcow2"), Buffer.alloc(100, "packed"));
    expect(() => diskOf(short)).toThrow("expected 65536 bytes of deflate");
    const long = withCompressedCluster(await convert(makeDisk(), "qcow2"), Buffer.alloc(CLUSTER + 1, "packed"));
    expect(() => diskOf(long)).toThrow("expected 65536 bytes of deflate");
  });

  it.each<[string, (image: Buffer) => void, string]>([
    ["a later version", (image) => image.writeUInt32BE(4, 4), "expected 2 or 3, got 4"],
    ["encryption", (image) => image.writeUInt32BE(1, Qcow2Header.offsetOf("cryptMethod")), "not encrypted"],
    ["corruption", (image) => image.writeUInt32BE(2, 76), "expected none, got corrupt"],
    ["a feature of tomorrow", (image) => image.writeUInt32BE(1 << 20, 76), "expected none, got 0x100000"],
    ["large clusters", (image) => image.writeUInt32BE(22, 20), "9..21, got 22"],
    ["a small table", (image) => image.writeUInt32BE(0, Qcow2Header.offsetOf("l1Size")), "1 entries or more"],
    ["a huge table", (image) => image.writeUInt32BE(2 ** 31, Qcow2Header.offsetOf("l1Size")), "got 2147483648"],
    ["a table outside", (image) => image.writeUInt32BE(1, Qcow2Header.offsetOf("l1TableOffset")), "within"],
    ["a second table outside", (image) => image.writeUInt32BE(0x8000_0001, 3 * CLUSTER), "qcow2 L1 entry"],
    ["a cluster outside", (image) => image.writeUInt32BE(0x8000_0001, 4 * CLUSTER), "qcow2 L2 entry"],
    [
      "half a cluster's offset",
      (image) => image.writeUInt32BE(512, 4 * CLUSTER + 4),
      "expected the offset of a cluster",
    ],
  ])("refuses qcow2 with %s", async (_, damage, message) => {
    const image = await convert(makeDisk(), "qcow2");
    damage(image);
    expect(() => diskOf(image)).toThrow(message);
  });

  it.each<[string, (footer: Buffer) => void, string]>([
    ["another checksum", (footer) => footer.writeUInt32BE(0, VhdFooter.offsetOf("checksum")), "the footer's checksum"],
    ["blocks", (footer) => repaired(footer, "diskType", 3), "a fixed disk, got dynamic"],
    ["another version", (footer) => repaired(footer, "version", 0x0002_0000), "expected 1.0"],
    ["a larger disk", (footer) => repaired(footer, "currentSizeBytes", 1), "at most 1048576"],
  ])("refuses VHD with %s", async (_, damage, message) => {
    const image = await convert(makeDisk(), "vhd");
    damage(image.subarray(-512));
    expect(() => diskOf(image)).toThrow(message);
  });

  it("gives a value or a FormatError for damaged qcow2", FUZZ, async () => {
    const image = withCompressedCluster(await convert(makeDisk(), "qcow2"), Buffer.alloc(CLUSTER, "packed"));
    const pieces: [offset: number, size: number][] = [
      [0, 104],
      [3 * CLUSTER, 64],
      [4 * CLUSTER, 96],
      [5 * CLUSTER, 512],
    ];
    const arbitrary = fc.constantFrom(...pieces).chain(([offset, size]) =>
      mutated(image.subarray(offset, offset + size)).map((damaged) => ({
        offset,
        damaged: damaged.subarray(0, size),
      })),
    );
    const whole = Buffer.from(image);
    let good = 0;
    fc.assert(
      fc.property(arbitrary, fc.boolean(), ({ offset, damaged }, isCut) => {
        damaged.copy(image, offset);
        good += readSome(isCut ? image.subarray(0, -3 * CLUSTER) : image) ? 1 : 0;
        whole.copy(image, offset, offset, offset + damaged.length);
      }),
      { seed: 1, numRuns: CASES },
    );
    expect(good).toBeGreaterThan(CASES / 20);
    expect(good).toBeLessThan(CASES);
  });

  it("gives a value or a FormatError for damaged VHD", FUZZ, async () => {
    const image = (await convert(Buffer.alloc(1024, "disk"), "vhd")).subarray(-4096);
    let good = 0;
    fc.assert(
      fc.property(mutated(image.subarray(-512)), fc.boolean(), (damaged, isRepaired) => {
        const copy = Buffer.from(image);
        damaged.copy(copy, copy.length - 512);
        if (isRepaired) copy.writeUInt32BE(vhdChecksum(copy.subarray(-512)), copy.length - 512 + 64);
        good += readSome(copy) ? 1 : 0;
      }),
      { seed: 1, numRuns: CASES },
    );
    expect(good).toBeGreaterThan(0);
    expect(good).toBeLessThan(CASES);
  });
});

/** Reads the start, the middle and the end of a damaged image's disk; says whether that went well. */
function readSome(image: Buffer): boolean {
  try {
    const disk = openDisk(bytesSource(image));
    for (const at of [0, 4 * CLUSTER, disk.sizeBytes - 100]) {
      if (at >= 0 && at + 100 <= disk.sizeBytes) expect(disk.read(at, 100)).toHaveLength(100);
    }
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(FormatError);
    return false;
  }
}

/** Puts deflated bytes at the image's end, for the disk's first cluster. */
function withCompressedCluster(image: Buffer, bytes: Buffer): Buffer {
  const packed = deflateRawSync(bytes, { windowBits: 12 });
  const sectors = BigInt(Math.ceil(packed.length / 512) - 1);
  const copy = Buffer.concat([image, packed]);
  const entry = COMPRESSED_BIT | (sectors << BigInt(62 - (16 - 8))) | BigInt(image.length);
  copy.writeBigUInt64BE(entry, 4 * CLUSTER);
  return copy;
}

/** Changes the first bytes of a footer's field and mends the checksum. */
function repaired(footer: Buffer, field: "diskType" | "version" | "currentSizeBytes", value: number): void {
  footer.writeUInt32BE(value, VhdFooter.offsetOf(field));
  footer.writeUInt32BE(vhdChecksum(footer), VhdFooter.offsetOf("checksum"));
}
