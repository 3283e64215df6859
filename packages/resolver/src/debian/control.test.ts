import { FormatError } from "@cvm-build/bytes";
import { expect, test } from "vitest";
import { parseStanza } from "./control.ts";

test("a stanza is a map of fields by lower-case name", () => {
  const stanza = parseStanza("Package: a\nDepends: b,\n c\n\td\n# a comment\nMulti-Arch:same\nEmpty:\n");
  expect(Object.fromEntries(stanza)).toEqual({ package: "a", depends: "b,\nc\nd", "multi-arch": "same", empty: "" });
});

test.each([
  [" continuation first", 10],
  ["Package: a\nno colon here", 21],
  [": no name", 10],
  ["Na me: x", 10],
  ["A: 1\na: 2", 15],
])("%j is refused at its offset", (text, offsetBytes) => {
  expect(() => parseStanza(text, { offsetBytes: 10 })).toThrow(
    expect.objectContaining({ name: "FormatError", offsetBytes }) as FormatError,
  );
});
