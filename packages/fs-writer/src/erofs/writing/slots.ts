import { alignUp } from "@cvm-build/bytes";
import { EROFS_BLOCK_BYTES, EROFS_SLOT_BYTES } from "../format.ts";

const BLOCK_SLOTS = EROFS_BLOCK_BYTES / EROFS_SLOT_BYTES;

/**
 * Finds room for inodes in the metadata area, block by block. What fits in a block never crosses into the next, so that
 * an inode and the end of its file are read together; it goes where the least room is left over.
 */
export class SlotAllocator {
  /** Blocks with room, by how many slots are left at their end. */
  readonly #open: number[][] = Array.from({ length: BLOCK_SLOTS }, () => []);
  #blocks = 1;

  constructor() {
    // The first slot stays empty: readers take number 0 for "no inode".
    this.#open[BLOCK_SLOTS - 1]?.push(0);
  }

  /** How many blocks the area has. */
  get blocks(): number {
    return this.#blocks;
  }

  /** @returns the number of the first slot of `sizeBytes` bytes */
  place(sizeBytes: number): number {
    const slots = alignUp(sizeBytes, EROFS_SLOT_BYTES) / EROFS_SLOT_BYTES;
    for (let left = slots; left < BLOCK_SLOTS; left++) {
      const block = this.#open[left]?.pop();
      if (block === undefined) continue;
      this.#leave(block, left - slots);
      return (block + 1) * BLOCK_SLOTS - left;
    }
    const first = this.#blocks;
    this.#blocks += Math.ceil(slots / BLOCK_SLOTS);
    this.#leave(this.#blocks - 1, (this.#blocks - first) * BLOCK_SLOTS - slots);
    return first * BLOCK_SLOTS;
  }

  /** Gives up the room left in the blocks so far: what is placed from now on lies behind them. */
  close(): void {
    for (const blocks of this.#open) blocks.length = 0;
  }

  #leave(block: number, slots: number): void {
    if (slots > 0) this.#open[slots]?.push(block);
  }
}
