import { describe, expect, it } from "vitest";
import { sourceFiles } from "./sources.ts";

const DECLARATION =
  /^export (?:declare )?(?:abstract )?(?:async )?(?:const|let|function\*?|class|interface|type|enum) (\w+)/;

describe("documentation", () => {
  it.each(
    sourceFiles()
      .filter((file) => !file.isTest && !file.path.endsWith("/index.ts"))
      .map((file) => [file.path, file] as const),
  )("%s: every exported symbol says what it is", (_, file) => {
    const lines = file.text.split("\n");
    const bare = lines.flatMap((line, index) => {
      const name = DECLARATION.exec(line)?.[1];
      if (name === undefined || isDocumented(lines, index)) return [];
      // A type that shares its name with a documented value, or is derived from it in the next line, needs no second text.
      return new RegExp(`typeof ${name}\\b|ValueOf<typeof`).test(line) || /^export type .*\(typeof/.test(line)
        ? []
        : [name];
    });
    expect(bare).toEqual([]);
  });
});

function isDocumented(lines: readonly string[], index: number): boolean {
  const above = lines[index - 1]?.trim() ?? "";
  return above.endsWith("*/") || above.startsWith("@") || isGrouped(lines, index);
}

/** A run of one-line `export const`s under one comment is one group. */
function isGrouped(lines: readonly string[], index: number): boolean {
  const above = lines[index - 1] ?? "";
  return (
    /^export (const|type) /.test(above) &&
    above.endsWith(";") &&
    (isDocumented(lines, index - 1) || /= unsigned\(/.test(above))
  );
}
