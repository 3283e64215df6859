import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { RULES } from "./table.ts";

const PAGE = readFileSync(join(import.meta.dirname, "../../../../docs/lint.md"), "utf8");

test("the table of rules in docs/lint.md is the one of the program", () => {
  const rows = [...PAGE.matchAll(/^\| `([\w-]+)` +\| (\w+) +\| (.*?) +\| (.*?) +\| (.*?) +\|$/gm)];
  expect(rows.map(([, ...cells]) => cells)).toEqual(
    RULES.map(({ id, severity, host, registers, fix }) => [id, severity, host, registers, fix]),
  );
});
