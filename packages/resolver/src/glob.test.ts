import { expect, test } from "vitest";
import { globToRegExp, isGlob } from "./glob.ts";
import { suggestNames } from "./suggest.ts";

test.each([
  ["linux-image-6.*-cloud-amd64", "linux-image-6.12.1-cloud-amd64", true],
  ["linux-image-6.*-cloud-amd64", "linux-image-6x12-cloud-amd64", false],
  ["lib?", "liba", true],
  ["lib?", "lib", false],
  ["g++-1[0-3]", "g++-12", true],
  ["g++-1[!0-3]", "g++-12", false],
  ["[]a]", "]", true],
  ["a[", "a[", true],
  ["**", "anything", true],
  ["a.b(c)|d", "a.b(c)|d", true],
])("%s matches %s: %s", (glob, name, expected) => {
  expect(globToRegExp(glob).test(name)).toBe(expected);
});

test("only * ? and [ make a glob", () => {
  expect(["a*", "a?", "a[b]", "g++", "a.b"].map(isGlob)).toEqual([true, true, true, false, false]);
});

test("suggestions are near or go on where the name stops", () => {
  const names = ["systemd", "systemd-sysv", "sysstat", "sytemd", "bash", "systemd-resolved"];
  expect(suggestNames("systmd", names)).toEqual(["systemd", "sytemd"]);
  expect(suggestNames("systemd-res", names)).toEqual(["systemd-sysv", "systemd-resolved"]);
  expect(suggestNames("qq", names)).toEqual([]);
});
