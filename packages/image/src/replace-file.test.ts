import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openNamedFile } from "./named-file.ts";
import { replaceFile } from "./replace-file.ts";

const scratch = mkdtempSync(join(tmpdir(), "cvm-files-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe("replaceFile", () => {
  it("makes folders, replaces a file, and leaves nothing beside it", () => {
    const path = join(scratch, "a/b/file");
    replaceFile(path, "one");
    replaceFile(path, Buffer.from("two"));
    expect(readFileSync(path, "utf8")).toBe("two");
    expect(readdirSync(join(scratch, "a/b"))).toEqual(["file"]);
  });

  it("leaves what is there where it cannot be replaced", () => {
    writeFileSync(join(scratch, "folder"), "");
    expect(() => replaceFile(join(scratch, "folder/file"), "one")).toThrow("cannot write");
    expect(readdirSync(scratch).includes("folder")).toBe(true);
  });
});

describe("openNamedFile", () => {
  it("opens files, and no folder or device", () => {
    const path = join(scratch, "image");
    writeFileSync(path, "bytes");
    using source = openNamedFile(path, "image");
    expect(source.read(0, 5).toString()).toBe("bytes");
    expect(() => openNamedFile(scratch, "image")).toThrow(expect.objectContaining({ code: "no-image" }));
    expect(() => openNamedFile("/dev/null", "signature")).toThrow(expect.objectContaining({ code: "no-file" }));
    expect(() => openNamedFile(join(scratch, "none"), "variable store")).toThrow("cannot read variable store");
  });
});
