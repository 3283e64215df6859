import { describe, expect, it } from "vitest";
import { numbersOf, sizesOf } from "./number-list.ts";

describe("numbersOf", () => {
  it.each([
    [["1"], [1]],
    [
      ["1", "4-6", "64"],
      [1, 4, 5, 6, 64],
    ],
    [[], []],
  ])("reads %j", (words, numbers) => {
    expect(numbersOf("cpus", words)).toEqual(numbers);
  });

  it.each([["0"], ["x"], ["3-2"], ["1-"], ["-1"], ["1-9999999"]])("refuses %j", (word) => {
    expect(() => numbersOf("cpus", [word])).toThrow('cannot read flag "--cpus"');
  });
});

describe("sizesOf", () => {
  it("reads units of 1024", () => {
    expect(sizesOf("memory", ["512M", "2G", "1T"])).toEqual([2 ** 29, 2 ** 31, 2 ** 40]);
  });

  it.each([["2"], ["G"], ["0G"], ["2g"]])("refuses %j", (word) => {
    expect(() => sizesOf("memory", [word])).toThrow('cannot read flag "--memory": expected sizes such as 512M,2G');
  });
});
