import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { GuestMemory, ramRanges } from "./guest-memory.ts";

const MIB = 1 << 20;

describe("ramRanges", () => {
  it.each([
    [512, [[0, 512 * MIB]]],
    [2815, [[0, 2815 * MIB]]],
    [
      2816,
      [
        [0, 2048 * MIB],
        [4096 * MIB, 768 * MIB],
      ],
    ],
    [
      8192,
      [
        [0, 2048 * MIB],
        [4096 * MIB, 6144 * MIB],
      ],
    ],
  ])("%i MiB", (memoryMiB, expected) => {
    expect(ramRanges(memoryMiB).map(({ startAddress, sizeBytes }) => [startAddress, sizeBytes])).toEqual(expected);
  });
});

describe("GuestMemory", () => {
  it("reads by way of a file that is gone afterwards", async () => {
    const directory = mkdtempSync(join(tmpdir(), "cvm-vm-memory-"));
    const asked: unknown[] = [];
    const qmp = {
      qemuVersion: "7.2.22",
      async execute(command: string, args?: Readonly<Record<string, unknown>>) {
        asked.push([command, args]);
        writeFileSync(join(directory, "memory.bin"), "RAM");
      },
    };
    const bytes = await new GuestMemory(qmp, { directory }).read({ startAddress: 16, sizeBytes: 3 });
    expect(bytes.toString()).toBe("RAM");
    expect(asked).toEqual([["pmemsave", { val: 16, size: 3, filename: "memory.bin" }]]);
    expect(existsSync(join(directory, "memory.bin"))).toBe(false);
    rmSync(directory, { recursive: true });
  });
});
