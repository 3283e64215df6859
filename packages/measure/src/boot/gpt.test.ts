import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { FormatError, sha256Hex } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gptEventData } from "./gpt.ts";

const vectors = join(import.meta.dirname, "../../../../../shared/vectors/qemu-boots");

/** LBA 0 to 33 of a disk with entries in the places that are named. */
function makeDisk(used: number[], header: { count?: number; entryBytes?: number; lba?: number } = {}): Buffer {
  const disk = Buffer.alloc(34 * 512);
  disk.write("EFI PART", 512, "latin1");
  disk.fill(0x33, 512 + 0x38, 512 + 0x48);
  disk.writeBigUInt64LE(BigInt(header.lba ?? 2), 512 + 0x48);
  disk.writeUInt32LE(header.count ?? 128, 512 + 0x50);
  disk.writeUInt32LE(header.entryBytes ?? 128, 512 + 0x54);
  for (const index of used) disk.fill(index + 1, 1024 + index * 128, 1024 + (index + 1) * 128);
  return disk;
}

describe("gptEventData", () => {
  it("has the header, the number of entries in use, and those", () => {
    const disk = makeDisk([0, 3]);
    const data = gptEventData(disk);
    expect(data.subarray(0, 92).equals(disk.subarray(512, 604))).toBe(true);
    expect(data.subarray(92, 100).toString("hex")).toBe("0200000000000000");
    expect(data.subarray(100).equals(Buffer.concat([Buffer.alloc(128, 1), Buffer.alloc(128, 4)]))).toBe(true);
    expect(gptEventData(makeDisk([]))).toHaveLength(100);
  });

  it.each<[string, Buffer]>([
    ["a disk that is too short", makeDisk([]).subarray(0, 600)],
    ["a table that is cut off", makeDisk([]).subarray(0, 33 * 512)],
    ["no table", Buffer.alloc(34 * 512)],
    ["entries of another size", makeDisk([], { entryBytes: 256 })],
    ["more entries than there is room for", makeDisk([], { count: 129 })],
    ["too many entries", makeDisk([], { count: 0xffff_ffff })],
    ["a table elsewhere", makeDisk([], { lba: 2 ** 40 })],
  ])("refuses %s", (_, disk) => {
    expect(() => gptEventData(disk)).toThrow(FormatError);
  });

  it("gives data or a FormatError for any header", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(91), fc.nat(255)), { maxLength: 8 }), (mutations) => {
        const disk = makeDisk([0]);
        for (const [offset, value] of mutations) disk[512 + offset] = value;
        try {
          expect(gptEventData(disk).length).toBeLessThanOrEqual(disk.length);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { seed: 1 },
    );
  });
});

describe.skipIf(!existsSync(vectors))("gptEventData of real disks", () => {
  interface Run {
    name: string;
    disk?: { gpt: string };
  }
  const runs = existsSync(vectors) ? (JSON.parse(readFileSync(join(vectors, "runs.json"), "utf8")) as Run[]) : [];
  const booted = runs.flatMap(({ name, disk }) => (disk ? [[name, disk.gpt] as const] : []));
  const dataOf = (name: string) => gptEventData(gunzipSync(readFileSync(join(vectors, "gpt", name))));

  it.each(booted)("is what firmware measured: %s", (name, gpt) => {
    const events = JSON.parse(readFileSync(join(vectors, "runs", `${name}.events.json`), "utf8")) as {
      type: string;
      sha256: string;
    }[];
    const digests = events.filter(({ type }) => type === "EV_EFI_GPT_EVENT").map(({ sha256 }) => sha256);
    expect(digests).toEqual([sha256Hex(dataOf(gpt))]);
  });

  it("has one entry for the one partition that each has", () => {
    const all = readdirSync(join(vectors, "gpt"));
    expect(all).toHaveLength(14);
    for (const name of all) expect([name, dataOf(name).readUInt32LE(92)]).toEqual([name, 1]);
  });
});
