import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { FILES } from "./machine.ts";
import type { Qmp } from "./qmp.ts";

const MIB = 1 << 20;

/** A range of physical addresses that is RAM. */
export interface RamRange {
  startAddress: number;
  sizeBytes: number;
}

/**
 * Where a q35 machine has its RAM.
 * @see QEMU, hw/i386/pc_q35.c, pc_q35_init: RAM of 2816 MiB and more keeps 2 GiB below the PCI hole
 */
export function ramRanges(memoryMiB: number): RamRange[] {
  const lowMiB = memoryMiB < 2816 ? memoryMiB : 2048;
  const low = { startAddress: 0, sizeBytes: lowMiB * MIB };
  if (memoryMiB === lowMiB) return [low];
  return [low, { startAddress: 4096 * MIB, sizeBytes: (memoryMiB - lowMiB) * MIB }];
}

/** Reads the RAM of a paused guest. */
export class GuestMemory {
  readonly #qmp: Qmp;
  readonly #directory: string;

  /** @param options.directory the directory that QEMU runs in */
  constructor(qmp: Qmp, { directory }: { directory: string }) {
    this.#qmp = qmp;
    this.#directory = directory;
  }

  /** Bytes of RAM, by way of a file that is gone afterwards. */
  async read({ startAddress, sizeBytes }: RamRange): Promise<Buffer> {
    const path = join(this.#directory, FILES.memory);
    try {
      await this.#qmp.execute("pmemsave", { val: startAddress, size: sizeBytes, filename: FILES.memory });
      return await readFile(path);
    } finally {
      await rm(path, { force: true });
    }
  }
}
