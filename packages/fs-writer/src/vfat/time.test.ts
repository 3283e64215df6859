import { describe, expect, it } from "vitest";
import { decodeFatTime, encodeFatTime } from "./time.ts";

describe("FAT times", () => {
  it.each<[what: string, sec: number, date: number, time: number]>([
    ["the first moment", Date.UTC(1980, 0, 1) / 1000, 0x0021, 0],
    ["a moment before it", 0, 0x0021, 0],
    ["a moment", Date.UTC(2025, 8, 12, 0, 0, 1) / 1000, (45 << 9) | (9 << 5) | 12, 0],
    ["an odd second", Date.UTC(2000, 1, 29, 23, 59, 59) / 1000, (20 << 9) | (2 << 5) | 29, (23 << 11) | (59 << 5) | 29],
    ["the last moment", Date.UTC(2107, 11, 31, 23, 59, 59) / 1000, 0xff9f, 0xbf7d],
    ["a moment after it", Date.UTC(2108, 0, 1) / 1000, 0xff9f, 0xbf7d],
  ])("encodes %s", (_what, sec, date, time) => {
    expect(encodeFatTime(sec)).toEqual({ date, time });
  });

  it("decodes to two seconds", () => {
    expect(decodeFatTime(encodeFatTime(1_757_635_201))).toBe(1_757_635_200);
    expect(decodeFatTime({ date: 0, time: 0 })).toBe(Date.UTC(1980, 0, 1) / 1000);
  });
});
