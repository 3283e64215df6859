import { expect, test } from "vitest";
import { compileGlob, isGlob } from "./glob.ts";

test.each([
  ["alpha", "alpha", true],
  ["alpha", "al*", true],
  ["alpha", "*", true],
  ["alpha", "**", true],
  ["alpha", "a*p*a", true],
  ["alpha", "a*b", false],
  ["alpha", "alph?", true],
  ["alpha", "alpha?", false],
  ["alpha", "[a-c]lpha", true],
  ["alpha", "[!a-c]lpha", false],
  ["alpha", "[xyz]*", false],
  ["a]b", "a[]]b", true],
  ["a-b", "a[x-]b", true],
  ["a[b", "a[b", true],
  ["", "*", true],
  ["", "?", false],
  ["\u{1f600}", "?", true],
  ["linux-image-6.12.1-cloud-amd64", "linux-image-6.*-cloud-amd64", true],
  ["linux-image-6x12-cloud-amd64", "linux-image-6.*-cloud-amd64", false],
  ["lib", "lib?", false],
  ["g++-12", "g++-1[0-3]", true],
  ["g++-12", "g++-1[!0-3]", false],
  ["]", "[]a]", true],
  ["a[", "a[", true],
  ["a.b(c)|d", "a.b(c)|d", true],
  ["[odd]", "\\[odd]", true],
  ["o", "\\[odd]", false],
])("%j and %j: %s", (text, glob, expected) => {
  expect(compileGlob(glob)(text)).toBe(expected);
});

test("hostile globs end soon", () => {
  expect(compileGlob(`${"*a".repeat(500)}b`)("a".repeat(2000))).toBe(false);
});

test("ranges that run backwards are refused", () => {
  expect(() => compileGlob("a[z-a]")).toThrow('cannot read glob "a[z-a]": expected a range, got "z-a"');
});

test("only * ? and [ make a glob", () => {
  expect(["a*", "a?", "a[b]", "g++", "a.b"].map(isGlob)).toEqual([true, true, true, false, false]);
});
