import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { bytesSource, type ByteSource, derivedUuid, FormatError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mutated } from "../fuzz.fixture.ts";
import { dumpGpt } from "./dump.ts";
import { isGpt, readGpt } from "./reader.ts";
import { verityPartitionUuids } from "./verity-uuids.ts";
import { type GptLayout, type GptPartition, layOutGpt } from "./writer.ts";

/** How many damaged tables are read; a night's run takes more. */
const CASES = Number(process.env["CVM_FUZZ_CASES"] ?? 5000);
const FUZZ = { timeout: 30_000 + CASES * 10 };
const SEED = "0e1f5a3c-5b0e-4f6b-9a2d-0c3b1f2a7d11";
const MIB = 1 << 20;

const partition = (label: string, change: Partial<GptPartition> = {}): GptPartition => ({
  type: "linux-generic",
  uuid: derivedUuid(SEED, label),
  label,
  sizeBytes: 4096,
  ...change,
});

const PARTITIONS = [
  partition("boot", { type: "esp", sizeBytes: MIB }),
  partition("root-arm64", { type: "root", sizeBytes: 2 * MIB + 1, flags: ["read-only", "no-auto"] }),
  partition("data", { type: "var", flags: ["grow-file-system"] }),
];
const options = { diskUuid: derivedUuid(SEED, "disk"), architecture: "arm64" } as const;

function bytesOf({ sizeBytes, primary, backup }: GptLayout): Buffer {
  const disk = Buffer.alloc(sizeBytes);
  primary.copy(disk);
  backup.copy(disk, sizeBytes - backup.length);
  return disk;
}

describe("layOutGpt", () => {
  it("places partitions from 1 MiB on, and says so in the table", () => {
    const layout = layOutGpt(PARTITIONS, options);
    expect(layout.sizeBytes).toBe(6 * MIB);
    expect(layout.primary).toHaveLength(34 * 512);
    expect(dumpGpt(readGpt(bytesSource(bytesOf(layout))))).toBe(
      [
        "disk c812d4a4-5661-8305-a9db-d712c15c6e8c, sectors of 512 bytes, primary table",
        '1: esp 8464177d-6836-8872-bb0c-cce6d222518a "boot" at 1048576, 1048576 bytes',
        '2: root arm64 a60d6f13-f920-8084-bc7c-428f7d088bb2 "root-arm64" at 2097152, 2101248 bytes read-only no-auto',
        '3: var 7935a257-688b-8a4c-aec6-0a6937ff8f48 "data" at 5242880, 4096 bytes grow-file-system',
        "",
      ].join("\n"),
    );
    // The very disk that `sfdisk` 2.38 makes of its own dump of it.
    expect(createHash("sha256").update(bytesOf(layout)).digest("hex")).toBe(
      "a04fd24644b54ac5e656d8446bc148de695bd073a7b0120d227884336c02d37b",
    );
  });

  it("keeps to other alignments and sizes", () => {
    const layout = layOutGpt([partition("one")], { ...options, alignmentBytes: 4096, sizeMultipleBytes: 1 << 30 });
    expect(layout.partitions[0]?.offsetBytes).toBe(20_480);
    expect(layout.sizeBytes).toBe(1 << 30);
  });

  it.each<[string, GptPartition[], string]>([
    ["129 partitions", Array.from({ length: 129 }, (_, index) => partition(String(index))), "at most 128 partitions"],
    ["a long label", [partition("x".repeat(37))], "a label of at most 36 UTF-16 units without NUL, got 37"],
    ["a label with NUL", [partition("x\0y")], "without NUL"],
    ["no size", [partition("x", { sizeBytes: 0 })], "a size in bytes, got 0"],
    ["one UUID twice", [partition("x"), partition("y", { uuid: derivedUuid(SEED, "x") })], 'got that of "x"'],
  ])("refuses %s", (_, partitions, message) => {
    expect(() => layOutGpt(partitions, options)).toThrow(
      expect.objectContaining({ code: "disk", message: expect.stringContaining(message) }),
    );
  });
});

describe("readGpt", () => {
  const disk = bytesOf(layOutGpt(PARTITIONS, options));
  const changed = (change: (bytes: Buffer) => void): Buffer => {
    const copy = Buffer.from(disk);
    change(copy);
    return copy;
  };
  const read = (bytes: Buffer) => readGpt(bytesSource(bytes));

  it("says what is wrong with a backup", () => {
    const grown = Buffer.concat([disk, Buffer.alloc(MIB)]);
    expect(read(grown).problems).toEqual(["backup table is not at the disk's end"]);
    expect(read(disk.subarray(0, -512)).problems).toEqual(["backup table lies behind the disk's end"]);
    const [problem] = read(changed((bytes) => bytes.fill(0, bytes.length - 512))).problems;
    expect(problem).toMatch(/^backup table is damaged: cannot decode GptHeader.signature/);
  });

  it.each<[string, (bytes: Buffer) => void]>([
    ["signature", (bytes) => bytes.fill(0, 512, 513)],
    ["header's checksum", (bytes) => bytes.fill(0, 0x238, 0x240)],
    ["entries' checksum", (bytes) => bytes.write("x", 1024 + 56)],
  ])("takes the backup where the primary's %s is wrong", (_, damage) => {
    const { table, problems, partitions } = read(changed(damage));
    expect(table).toBe("backup");
    expect(problems).toEqual([expect.stringMatching(/^primary table is damaged: /)]);
    expect(partitions).toHaveLength(3);
  });

  it("finds the backup of a disk that has grown where the damaged primary says", () => {
    const grown = Buffer.concat([changed((bytes) => bytes.write("x", 1024 + 56)), Buffer.alloc(MIB)]);
    expect(read(grown).table).toBe("backup");
  });

  it("refuses what is no table, or a damaged one without a backup", () => {
    expect(isGpt(bytesSource(disk))).toBe(true);
    for (const none of [Buffer.alloc(0), Buffer.alloc(600), Buffer.alloc(100_000)]) {
      expect(isGpt(bytesSource(none))).toBe(false);
      expect(() => read(none)).toThrow(FormatError);
    }
    const cut = changed((bytes) => bytes.write("x", 1024 + 56)).subarray(0, -512);
    expect(() => read(cut)).toThrow("expected the entries' checksum");
    expect(() => read(disk.subarray(0, 3 * MIB))).toThrow("expected a partition within 3145728 bytes");
  });

  it("gives a value or a FormatError for damaged tables", FUZZ, () => {
    const head = disk.subarray(0, 34 * 512);
    let good = 0;
    fc.assert(
      fc.property(mutated(head.subarray(512, 1024 + 4 * 128)), fc.boolean(), (damaged, isRepaired) => {
        const bytes = Buffer.from(head);
        damaged.copy(bytes, 512, 0, head.length - 512);
        if (isRepaired) repairChecksums(bytes);
        try {
          expect(readGpt(longSource(bytes, disk.length)).partitions.length).toBeLessThanOrEqual(1024);
          good++;
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { seed: 1, numRuns: CASES },
    );
    expect(good).toBeGreaterThan(CASES / 20);
    expect(good).toBeLessThan(CASES);
  });
});

/** Bytes, and zeros after them up to a size. */
function longSource(bytes: Buffer, sizeBytes: number): ByteSource {
  return {
    sizeBytes,
    read(offsetBytes, lengthBytes) {
      if (offsetBytes < 0 || offsetBytes + lengthBytes > sizeBytes) throw new FormatError({ record: "bytes" }, "range");
      const result = Buffer.alloc(lengthBytes);
      if (offsetBytes < bytes.length) bytes.copy(result, 0, offsetBytes);
      return result;
    },
  };
}

/** Gives a damaged header the checksums that let the rest of it be looked at. */
function repairChecksums(bytes: Buffer): void {
  const [count, entryBytes] = [bytes.readUInt32LE(512 + 0x50), bytes.readUInt32LE(512 + 0x54)];
  bytes.writeUInt32LE(crc32(bytes.subarray(1024, Math.min(1024 + count * entryBytes, bytes.length))), 512 + 0x58);
  bytes.writeUInt32LE(0, 512 + 0x10);
  bytes.writeUInt32LE(crc32(bytes.subarray(512, 512 + Math.min(bytes.readUInt32LE(512 + 0x0c), 512))), 512 + 0x10);
}

describe("verityPartitionUuids", () => {
  it("takes the root hash's first and last 128 bits", () => {
    const rootHash = "28c3f930dde34d9e8d9426b626c1a379a0efc05b8e9ebebf7d9c6dbd2f2f47c4";
    expect(verityPartitionUuids(rootHash)).toEqual({
      data: "28c3f930-dde3-4d9e-8d94-26b626c1a379",
      verity: "a0efc05b-8e9e-bebf-7d9c-6dbd2f2f47c4",
    });
  });
});
