import { expect, test } from "vitest";
import { didYouMean, editDistance, nearestName } from "./suggest.ts";

test.each([
  ["", "", 0],
  ["abc", "abc", 0],
  ["abc", "abd", 1],
  ["abc", "ab", 1],
  ["abcd", "abdc", 1],
  ["kitten", "sitting", 3],
])("%s to %s takes %i edits", (from, to, edits) => {
  expect(editDistance(from, to)).toBe(edits);
  expect(editDistance(to, from)).toBe(edits);
});

test("suggests only what is near", () => {
  const names = ["Packages", "PackageDirectories", "Hostname"];
  expect(nearestName("Packagess", names)).toBe("Packages");
  expect(nearestName("hostname", names)).toBe("Hostname");
  expect(nearestName("Bananas", names)).toBeUndefined();
  expect(nearestName("P".repeat(1000), names)).toBeUndefined();
  expect(didYouMean("Pakages", names)).toBe("did you mean Packages?");
});
