import { expect, test } from "vitest";
import { compareVersions } from "./version-order.ts";

/** In ascending order: the examples of the UAPI Version Format Specification and of systemd's own test. */
const ASCENDING = (
  "~1||ab|abb|abc|0001|002|12|122|122.9|123~rc1|123|123-a|123-a.1|123-a1|123-a1.1|123-3|123-3.1|123^patch1|123^1|" +
  "123.a-1|123.1-1|123a-1|124"
).split("|");

test("orders versions as systemd does", () => {
  for (const [i, older] of ASCENDING.entries()) {
    for (const [j, newer] of ASCENDING.entries()) {
      expect(Math.sign(compareVersions(older, newer)), `${older} and ${newer}`).toBe(Math.sign(i - j));
    }
  }
});

test.each([
  ["1.2", "1.2"],
  ["1.02", "1.2"],
  ["1_2", "1é2"],
  ["00000000000000000000001", "1"],
])("%s equals %s", (left, right) => {
  expect(compareVersions(left, right)).toBe(0);
});

test("numbers of any length are compared", () => {
  expect(compareVersions("1".repeat(400), "2".repeat(399))).toBeGreaterThan(0);
});
