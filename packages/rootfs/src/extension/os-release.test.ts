import { describe, expect, it } from "vitest";
import { formatAssignment, parseOsRelease } from "./os-release.ts";

describe("os-release", () => {
  it("is read as a shell would read it, without running anything", () => {
    const text = `PRETTY_NAME="Debian GNU/Linux 13 (trixie)"
# ID=comment
ID=debian
  VERSION_ID='13'
HOME_URL=https://www.debian.org/
NAME="a \\"b\\" \\$c \\\\ \\n"
ID=fedora
OPEN="never closed
1BAD=x
not an assignment
EMPTY=
`;
    expect(Object.fromEntries(parseOsRelease(text))).toEqual({
      PRETTY_NAME: "Debian GNU/Linux 13 (trixie)",
      ID: "fedora",
      VERSION_ID: "13",
      HOME_URL: "https://www.debian.org/",
      NAME: 'a "b" $c \\ \\n',
      OPEN: '"never closed',
      EMPTY: "",
    });
  });

  it("keeps the order of names, and what a backslash or a quote protects", () => {
    const text = [
      "# comment",
      "ID=fedora",
      'VERSION="32 (Workstation Edition)"',
      "SINGLE='it is $plain \\ here'",
      'ESCAPED="a \\"b\\" \\$c \\\\ \\d"',
      "BARE=a\\ b",
      "EMPTY=",
      "ID=again",
    ].join("\n");
    expect([...parseOsRelease(text)]).toEqual([
      ["ID", "again"],
      ["VERSION", "32 (Workstation Edition)"],
      ["SINGLE", "it is $plain \\ here"],
      ["ESCAPED", 'a "b" $c \\ \\d'],
      ["BARE", "a b"],
      ["EMPTY", ""],
    ]);
  });

  it.each(["plain-1.0_x", "two words", 'a"b$c`d\\e', ""])("is written so that it is read again: %s", (value) => {
    expect(parseOsRelease(formatAssignment("X", value)).get("X")).toBe(value);
  });
});
