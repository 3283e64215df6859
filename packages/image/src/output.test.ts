import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CvmError } from "@cvm-build/bytes";
import { expect, test } from "vitest";
import { explainWriteFailure, OutputDirectory } from "./output.ts";
import { makeProject } from "./project.fixture.ts";

function publish(output: OutputDirectory, text: string): void {
  using generation = output.startGeneration();
  generation.write("image", text);
  generation.publish();
}

test("an image's name leads to the last generation that was whole, which others may read", () => {
  using project = makeProject({});
  const output = new OutputDirectory(join(project.path, "build"), "node");
  publish(output, "first");
  {
    using abandoned = output.startGeneration();
    abandoned.write("image", "half");
  }
  expect(output.read("image")).toBe("first");
  publish(output, "second");
  expect(output.read("image")).toBe("second");
  expect(readdirSync(output.generations)).toEqual([readlinkSync(output.path).split("/").at(-1)]);
  expect(statSync(`${output.path}/`).mode & 0o777).toBe(0o755);
});

test("what a killed build left is cleared away, what another process works on is not", () => {
  using project = makeProject({});
  const output = new OutputDirectory(join(project.path, "build"), "node");
  // The process that started this one runs; no process has the highest id that Linux knows.
  const theirs = join(output.generations, `${process.ppid}-theirs`);
  const left = join(output.generations, "4194303-left");
  for (const path of [theirs, left]) mkdirSync(path, { recursive: true });
  publish(output, "image");
  expect([existsSync(theirs), existsSync(left)]).toEqual([true, false]);
});

test("what is no link of ours stays, and the error names it", () => {
  using project = makeProject({ "build/node/precious": "data" });
  const output = new OutputDirectory(join(project.path, "build"), "node");
  expect(() => publish(output, "image")).toThrow(expect.objectContaining({ code: "output" }));
  expect(readFileSync(join(output.path, "precious"), "utf8")).toBe("data");
});

test("a failed write says what to do, a failed read keeps its own words", () => {
  const failure = (code: string) => Object.assign(new Error(code), { code, syscall: "open", path: "/x" });
  expect(explainWriteFailure(failure("ENOSPC"))).toMatchObject({ code: "disk-full" });
  expect(explainWriteFailure(new CvmError("package", "…", { cause: failure("ENOSPC") }))).toMatchObject({
    code: "disk-full",
  });
  expect(explainWriteFailure(failure("EACCES"))).toMatchObject({ code: "output" });
  const unreadable = new CvmError("extra-tree", "cannot read …", { cause: failure("EACCES") });
  expect(explainWriteFailure(unreadable)).toBe(unreadable);
  const other = new Error("other");
  expect(explainWriteFailure(other)).toBe(other);
});

test("where the output folder cannot be made, the error is its user's to mend", () => {
  using project = makeProject({});
  const file = join(project.path, "build");
  writeFileSync(file, "");
  let caught: unknown;
  try {
    new OutputDirectory(file, "node").startGeneration();
  } catch (error) {
    caught = explainWriteFailure(error);
  }
  expect(caught).toMatchObject({ code: "output", hint: expect.stringContaining("OutputDirectory=") });
});
