import { expect, it } from "vitest";
import { SlotAllocator } from "./slots.ts";

it("leaves number 0 to nobody and fills the rest of a block", () => {
  const slots = new SlotAllocator();
  expect([slots.place(32), slots.place(64), slots.place(33), slots.place(122 * 32)]).toEqual([1, 2, 4, 6]);
  expect(slots.blocks).toBe(1);
  expect(slots.place(1)).toBe(128);
});

it("goes where the least room is left over, and never across a block's end", () => {
  const slots = new SlotAllocator();
  expect(slots.place(100 * 32)).toBe(1);
  expect(slots.place(120 * 32)).toBe(128);
  // 27 slots are left in the first block and 8 in the second.
  expect(slots.place(7 * 32)).toBe(128 + 120);
  expect(slots.place(9 * 32)).toBe(101);
  expect(slots.place(4096)).toBe(256);
  expect(slots.place(19 * 32)).toBe(384);
  expect(slots.place(18 * 32)).toBe(110);
});

it("begins a block for what is larger than one, and leaves the room behind it", () => {
  const slots = new SlotAllocator();
  expect(slots.place(4097)).toBe(128);
  expect(slots.blocks).toBe(3);
  expect(slots.place(127 * 32)).toBe(2 * 128 + 1);
  expect(slots.place(127 * 32)).toBe(1);
});

it("gives nothing away below a line that is closed", () => {
  const slots = new SlotAllocator();
  slots.place(32);
  slots.close();
  expect(slots.place(32)).toBe(128);
});
