import { expect, it } from "vitest";
import { parseReleaseFile } from "./release-file.ts";

// The examples of os-release(5), and quoting that it allows.
it("reads assignments as a shell would", () => {
  const text = `\uFEFF# comment
ID=fedora
VERSION="32 (Workstation Edition)"
SINGLE='it is $plain \\ here'
ESCAPED="a \\"b\\" \\$c \\\\ \\d"
BARE=a\\ b
EMPTY=
ID=again
not an assignment
1BAD=x
`.slice(1);
  expect(parseReleaseFile(text)).toEqual([
    ["ID", "again"],
    ["VERSION", "32 (Workstation Edition)"],
    ["SINGLE", "it is $plain \\ here"],
    ["ESCAPED", 'a "b" $c \\ \\d'],
    ["BARE", "a b"],
    ["EMPTY", ""],
  ]);
});
