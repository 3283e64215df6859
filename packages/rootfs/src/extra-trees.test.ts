import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { addExtraTree, diskContent } from "./extra-trees.ts";
import { treeFixture } from "./tree.fixture.ts";

test("what cannot be read is its user's to mend, and no bug", () => {
  expect(() => diskContent("/no/such/file")).toThrow(
    expect.objectContaining({ code: "extra-tree", message: expect.stringContaining('"/no/such/file"') }),
  );
});

test("what an image cannot hold is refused by name", () => {
  const directory = mkdtempSync(join(tmpdir(), "cvm-extra-"));
  try {
    execFileSync("mkfifo", [join(directory, "pipe")]);
    const extra = { name: "tree", target: "/", source: { directory } };
    expect(() => addExtraTree(treeFixture({}), extra, { mtimeSec: 0 })).toThrow(
      expect.objectContaining({ code: "extra-tree", message: expect.stringMatching(/pipe".* got a pipe$/) }),
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
