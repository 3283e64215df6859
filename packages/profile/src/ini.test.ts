import { CvmError } from "@cvm-build/bytes";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseIni } from "./ini.ts";

/** Shows what was parsed, a setting a line, its value's lines joined by `|`. */
function dump(text: string): string[] {
  return parseIni(text, "f").flatMap(({ name, settings }) =>
    settings.length === 0
      ? [`[${name}]`]
      : settings.map((setting) => `[${name}] ${setting.name}=${setting.lines.map((line) => line.text).join("|")}`),
  );
}

describe("grammar", () => {
  test.each<[what: string, text: string, expected: string[]]>([
    ["a setting", "[A]\nB=c\n", ["[A] B=c"]],
    ["blanks around names and values", "[ A ]\nB =  c d \t\n", ["[A] B=c d"]],
    ["a value that holds =", "[A]\nB=c=d\n", ["[A] B=c=d"]],
    ["continuation lines", "[A]\nB=\n  c\n\td\n", ["[A] B=|c|d"]],
    ["a first line and continuations", "[A]\nB=c\n d\n", ["[A] B=c|d"]],
    ["blank and comment lines inside a value", "[A]\nB=c\n\n# no\n   # no\n d\n", ["[A] B=c|d"]],
    ["the same setting twice", "[A]\nB=c\nB=d\n", ["[A] B=c", "[A] B=d"]],
    ["the same section twice", "[A]\nB=c\n[C]\n[A]\nD=e\n", ["[A] B=c", "[C]", "[A] D=e"]],
    ["a comment after a value", "[A] # no\nB=c # no\n", ["[A] B=c"]],
    ["a comment without a blank before it", "[A]\nB=c#no\n", ["[A] B=c"]],
    ["# in a quoted word", "[A]\nB=\"c # d\" # no\n C='#e'\n", ["[A] B=\"c # d\"|C='#e'"]],
    ["# after a quote that does not close", '[A]\nB="c # no\n', ['[A] B="c']],
    ["# after an apostrophe", "[A]\nB=it's # isn't\n", ["[A] B=it's"]],
    ["; is no comment", "[A]\nB=c ; d\n", ["[A] B=c ; d"]],
    ["a file that is indented as a whole", "  [A]\n  B=c\n    d\n", ["[A] B=c|d"]],
    ["a tab and spaces have no common margin", "\t[A]\n\tB=c\n", ["[A] B=c"]],
    ["line ends of other systems", "[A]\r\nB=c\r\n d\rC=e\r\n", ["[A] B=c|d", "[A] C=e"]],
    ["no newline at the end", "[A]\nB=c", ["[A] B=c"]],
    ["an empty value", "[A]\nB=\n", ["[A] B="]],
    ["nothing", "", []],
    ["comments only", "# x\n\n", []],
  ])("%s", (_, text, expected) => {
    expect(dump(text)).toEqual(expected);
  });

  test("every part of a value knows its line and column", () => {
    const [section] = parseIni("  [A]\n  # x\n  Name =  one two\n\n      three # x\n", "f");
    expect(section!.position).toEqual({ file: "f", line: 1, column: 3 });
    expect(section!.settings[0]!.position).toEqual({ file: "f", line: 3, column: 3 });
    expect(section!.settings[0]!.lines).toEqual([
      { text: "one two", line: 3, column: 11 },
      { text: "three", line: 5, column: 7 },
    ]);
  });
});

describe("what is not the grammar", () => {
  test.each<[text: string, message: string]>([
    ["B=c\n", 'cannot read setting "B" at f:1:1: expected a [Section] above the first setting, got none'],
    ["[A]\nB\n", 'cannot read setting at f:2:1: expected Name=value, got "B"'],
    ["[A]\n=c\n", 'cannot read setting at f:2:1: expected Name=value, got "=c"'],
    ["[A\nB=c\n", 'cannot read section header at f:1:1: expected [Section], got "[A"'],
    ["[ ]\n", 'cannot read section header at f:1:1: expected [Section], got "[ ]"'],
    [
      "[A]\n  B=c\n",
      'cannot read line at f:2:3: expected a setting at the start of the line, or a value to continue, got an indented "B=c"',
    ],
  ])("%j", (text, message) => {
    expect(() => parseIni(text, "f")).toThrow(expect.objectContaining({ code: "profile-syntax", message }));
  });
});

test("any text is parsed or refused with a place", () => {
  const piece = fc.constantFrom(
    "[",
    "]",
    "=",
    "#",
    '"',
    "'",
    "\n",
    "\r",
    " ",
    "\t",
    ",",
    "A",
    "b",
    "\\",
    "\u2028",
    "é",
    "%",
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join("")),
      ),
      (text) => {
        try {
          for (const { settings } of parseIni(text, "f")) {
            for (const { lines } of settings) {
              for (const { text: part, line, column } of lines) {
                const written = text.split(/\r\n|\n|\r/)[line - 1]!;
                expect(written.slice(column - 1, column - 1 + part.length)).toBe(part);
              }
            }
          }
        } catch (error) {
          expect(error).toBeInstanceOf(CvmError);
          expect((error as CvmError).details).toMatchObject({
            file: "f",
            line: expect.any(Number),
            column: expect.any(Number),
          });
        }
      },
    ),
    { seed: 1, numRuns: 3000 },
  );
});
