import { execFileSync } from "node:child_process";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { ValueFault } from "./value-fault.ts";
import { splitShellWords, splitWords } from "./word.ts";

test("words know where they start", () => {
  expect(splitWords("a, b\n c", /[\s,]+/g)).toEqual([
    { text: "a", offset: 0 },
    { text: "b", offset: 3 },
    { text: "c", offset: 6 },
  ]);
  expect(splitWords(" , ", /[\s,]+/g)).toEqual([]);
});

test.each<[text: string, words: string[]]>([
  ["", []],
  ["a b", ["a", "b"]],
  ["a  'b c'", ["a", "b c"]],
  [`A="x y" B='"'`, ["A=x y", 'B="']],
  ["a\\ b \\\\ '\\'", ["a b", "\\", "\\"]],
  [`"a\\"b" "\\x"`, ['a"b', "\\x"]],
  ["''", [""]],
])("%j splits as in a shell", (text, words) => {
  expect(splitShellWords(text, " \n").map((word) => word.text)).toEqual(words);
});

test.each(["'a", '"a', "a\\"])("%j does not end", (text) => {
  expect(() => splitShellWords(text, " \n")).toThrow(ValueFault);
});

test("splits as the host's shell does", () => {
  const piece = fc.constantFrom("a", "b=", " ", "  ", "'", '"', "\\", "x y");
  const texts = fc.sample(
    fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join("")),
    { seed: 3, numRuns: 200 },
  );
  for (const text of texts) {
    let words: string[];
    try {
      words = splitShellWords(text, " ").map((word) => word.text);
    } catch {
      continue;
    }
    const program = `printf '%s\\0' x ${text}`;
    const theirs = execFileSync("sh", ["-c", program], { encoding: "utf8" }).split("\0").slice(1, -1);
    expect(words, text).toEqual(theirs);
  }
});
