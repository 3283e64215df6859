import * as fc from "fast-check";
import { expect, test } from "vitest";
import { compareVersions, satisfiesVersion } from "./version.ts";

/** Each list is in ascending order; the first is Debian Policy's own, 5.6.12. */
const ASCENDING = [
  ["~~", "~~a", "~", "", "a"],
  ["1.0~beta1~svn1245", "1.0~beta1", "1.0", "1.0-1", "1.0-1+b1", "1.0-1.1", "1.0a-1", "1.0+dfsg-1", "1.0.1"],
  ["9", "10", "0099999999999999999999", "100000000000000000000"],
  ["2.0-1", "1:0.1", "1:1.0-1", "2:0"],
  ["1.2-1~bpo12+1", "1.2-1", "1.2-1+deb13u1", "1.2-2"],
  ["1-2", "1-1-1", "1-1-2"],
];

const EQUAL = [
  ["1.0", "0:1.0"],
  ["1.0", "1.0-0"],
  ["1.00", "1.0"],
  ["01.2", "1.2"],
  ["1.0-", "1.0"],
];

test.each(ASCENDING.flatMap((list) => list.flatMap((a, at) => list.slice(at + 1).map((b) => [a, b] as const))))(
  '"%s" is older than "%s"',
  (older, newer) => {
    expect(compareVersions(older, newer)).toBeLessThan(0);
    expect(compareVersions(newer, older)).toBeGreaterThan(0);
  },
);

test.each(EQUAL)('"%s" and "%s" are the same version', (a, b) => {
  expect(compareVersions(a, b)).toBe(0);
});

test("any texts can be compared, and the order is total", () => {
  const version = fc.string({ unit: fc.constantFrom(..."0129az~+.-:") });
  fc.assert(
    fc.property(version, version, version, (a, b, c) => {
      expect(Math.sign(compareVersions(a, b))).toBe(-Math.sign(compareVersions(b, a)) + 0);
      if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0)
        expect(compareVersions(a, c)).toBeLessThanOrEqual(0);
    }),
    { seed: 1, numRuns: 2000 },
  );
});

test.each([
  ["1", "<<", "2", true],
  ["2", "<<", "2", false],
  ["2", "<=", "2", true],
  ["2", "=", "2-0", true],
  ["1", ">=", "2", false],
  ["3", ">>", "2", true],
  [undefined, ">=", "0", false],
] as const)("version %s meets (%s %s): %s", (version, operator, bound, expected) => {
  expect(satisfiesVersion(version, { operator, version: bound })).toBe(expected);
});

test("a relation without a version is met by any, even by an unversioned Provides", () => {
  expect(satisfiesVersion("1", {})).toBe(true);
  expect(satisfiesVersion(undefined, {})).toBe(true);
});
