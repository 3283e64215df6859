import { describe, expect, it } from "vitest";
import { mangleCommandLine } from "./command-line.ts";

describe("mangleCommandLine", () => {
  // The first row was booted: Linux 6.1 under stub 252.39 and 6.12 under 257.13 measured these.
  it.each<[string, number, string | undefined]>([
    ["  console=ttyS0\tloglevel=4 \n", 252, "  console=ttyS0 loglevel=4"],
    ["  console=ttyS0\tloglevel=4 \n", 257, "console=ttyS0 loglevel=4"],
    ["  console=ttyS0\tloglevel=4 \n", 255, undefined],
    ["console=ttyS0\tloglevel=4 \n", 255, "console=ttyS0 loglevel=4"],
    ["\x01a\x1fb\x7fc", 262, "a b c"],
    ["a  b", 257, "a  b"],
    ["a\0b", 257, "a"],
    ["", 257, undefined],
    [" \t\n", 257, undefined],
    ["a=ä", 257, undefined],
  ])("%j under stub %i", (text, stubMajorVersion, expected) => {
    expect(mangleCommandLine(Buffer.from(text), stubMajorVersion)).toBe(expected);
  });
});
