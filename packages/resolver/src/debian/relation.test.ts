import { FormatError } from "@cvm-build/bytes";
import { expect, test } from "vitest";
import { formatRelation, parseRelations } from "./relation.ts";

test.each([
  ["libc6 (>= 2.36)", [[{ name: "libc6", operator: ">=", version: "2.36" }]]],
  ["a|b , c", [[{ name: "a" }, { name: "b" }], [{ name: "c" }]]],
  ["python3:any (<< 3.14)", [[{ name: "python3", architecture: "any", operator: "<<", version: "3.14" }]]],
  ["gcc:native, cpp:i386", [[{ name: "gcc", architecture: "native" }], [{ name: "cpp", architecture: "i386" }]]],
  [
    "old(<1), new(>2)",
    [[{ name: "old", operator: "<=", version: "1" }], [{ name: "new", operator: ">=", version: "2" }]],
  ],
  ["x [amd64 arm64] <!nocheck> <cross>", [[{ name: "x" }]]],
  ["g++ (= 4:14.2.0-1), ", [[{ name: "g++", operator: "=", version: "4:14.2.0-1" }]]],
  ["a,\n b (= 1)\t", [[{ name: "a" }], [{ name: "b", operator: "=", version: "1" }]]],
  ["", []],
])("%j", (text, expected) => {
  expect(parseRelations(text, { field: "depends" })).toEqual(expected);
});

test.each(["a b", "a (>= )", "a (1)", "a (>= 1", "a |", "| a", "(>= 1)", "a (=> 1)", "é", `${"a".repeat(5000)}`])(
  "%j is not a relation",
  (text) => {
    expect(() => parseRelations(text, { field: "depends" })).toThrow(FormatError);
  },
);

test("a relation formats as it was written", () => {
  for (const text of ["libc6:any (>= 2.36)", "awk", "a (<< 1:2~)"]) {
    expect(parseRelations(text, { field: "depends" }).flat().map(formatRelation)).toEqual([text]);
  }
});
