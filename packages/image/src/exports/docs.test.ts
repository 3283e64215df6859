import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { EXPORT_FORMATS, type ExportFormat } from "./export-formats.ts";

const PAGE = readFileSync(join(import.meta.dirname, "../../../../docs/exports.md"), "utf8");

test("the table of formats in docs/exports.md is the one of the program", () => {
  const rows = [...PAGE.matchAll(/^\| `([\w-]+)` +\| (.*?) +\| (.*?) +\|/gm)].map(([, ...cells]) => cells);
  const formats: [string, ExportFormat][] = Object.entries(EXPORT_FORMATS);
  expect(rows).toEqual(formats.map(([name, { reader, platforms }]) => [name, reader, platforms]));
});
