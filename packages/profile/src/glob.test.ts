import { expect, test } from "vitest";
import { matchesGlob } from "./glob.ts";

test.each([
  ["alpha", "alpha", true],
  ["alpha", "al*", true],
  ["alpha", "*", true],
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
])("%j and %j: %s", (text, glob, expected) => {
  expect(matchesGlob(text, glob)).toBe(expected);
});

test("hostile globs end soon", () => {
  expect(matchesGlob("a".repeat(2000), `${"*a".repeat(500)}b`)).toBe(false);
});
