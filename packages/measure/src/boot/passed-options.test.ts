import { describe, expect, it } from "vitest";
import { readPassedOptions } from "./passed-options.ts";

describe("readPassedOptions", () => {
  it.each<[string | undefined, number, number, string | undefined]>([
    [undefined, 257, 0, undefined],
    ["", 257, 0, undefined],
    ["a=1", 257, 0, "a=1"],
    ["@1", 257, 1, undefined],
    ["@12 a=1 b", 257, 12, "a=1 b"],
    ["@1  a=1 ", 257, 1, "a=1"],
    ["@0 a=1", 257, 0, "a=1"],
    ["@1a", 257, 0, "@1a"],
    ["@", 257, 0, "@"],
    ["@4294967296 a", 257, 0, "@4294967296 a"],
    ["a @1", 257, 0, "a @1"],
    ["@1 a", 256, 0, "@1 a"],
    ["\u0001\u0002", 252, 0, undefined],
  ])("of %j with stub %i: profile %i and %j", (text, stub, profile, commandLine) => {
    expect(readPassedOptions(text, stub)).toEqual({ profile, commandLine, doubt: undefined });
  });

  it.each([
    ["a=ä", 257],
    ["a=\u0007", 257],
    [" a=1", 254],
    ["a=1 ", 252],
  ])("doubts what becomes of %j with stub %i", (text, stub) => {
    expect(readPassedOptions(text, stub).doubt).toMatch(/not verified/);
  });
});
