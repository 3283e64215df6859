import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { derivedUuid, openFileSource, sha256Hex } from "@cvm-build/bytes";
import { afterAll, describe, expect, it } from "vitest";
import { readGpt } from "../gpt/reader.ts";
import { type DiskPartition, writeDisk } from "./writer.ts";

const MIB = 1 << 20;
const folder = mkdtempSync(join(tmpdir(), "cvm-disk-"));
const output = join(folder, "disk");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const partition = (label: string, change: Partial<DiskPartition>): DiskPartition => ({
  type: "linux-generic",
  uuid: derivedUuid("seed", label),
  label,
  sizeBytes: MIB,
  ...change,
});
const write = (partitions: DiskPartition[]) =>
  writeDisk({ output, partitions, diskUuid: derivedUuid("seed", "disk"), architecture: "x86-64" });

describe("writeDisk", () => {
  it("puts contents where the table says, and holes where there are zeros", () => {
    const file = Buffer.alloc(5 * MIB);
    file.write("begin");
    file.write("end", file.length - 3);
    writeFileSync(join(folder, "file"), file);
    const written = write([
      partition("file", { sizeBytes: 64 * MIB, content: { path: join(folder, "file") } }),
      partition("bytes", { content: { bytes: Buffer.from("bytes") } }),
      partition("empty", {}),
    ]);
    const disk = readFileSync(output);
    expect(written.sizeBytes).toBe(68 * MIB);
    expect(written.sha256).toBe(sha256Hex(disk));
    expect(disk.subarray(0, written.table.length).equals(written.table)).toBe(true);
    using source = openFileSource(output);
    const found = readGpt(source);
    expect(found.problems).toEqual([]);
    const [first, second, third] = found.partitions.map(({ offsetBytes, sizeBytes }) =>
      disk.subarray(offsetBytes, offsetBytes + sizeBytes),
    );
    expect(first?.equals(Buffer.concat([file, Buffer.alloc(59 * MIB)]))).toBe(true);
    expect(second?.equals(Buffer.concat([Buffer.from("bytes"), Buffer.alloc(MIB - 5)]))).toBe(true);
    expect(third?.equals(Buffer.alloc(MIB))).toBe(true);
    // What is written is less than what would be without holes, wherever the file system has them.
    expect(statSync(output).blocks * 512).toBeLessThan(2 * MIB);
  });

  it("leaves nothing of a file that was there", () => {
    writeFileSync(output, Buffer.alloc(8 * MIB, "old"));
    const { sizeBytes, sha256 } = write([partition("empty", {})]);
    const disk = readFileSync(output);
    expect(disk).toHaveLength(sizeBytes);
    expect(sha256Hex(disk)).toBe(sha256);
    expect(disk.includes("old")).toBe(false);
  });

  it("refuses content that is larger than its partition", () => {
    const large = partition("small", { sizeBytes: 4096, content: { bytes: Buffer.alloc(4097) } });
    expect(() => write([large])).toThrow('cannot fill partition "small": expected at most 4096 bytes, got 4097');
  });
});
