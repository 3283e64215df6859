import { FormatError } from "@cvm-build/bytes";
import { describe, expect, it } from "vitest";
import { archivePath } from "./archive-path.ts";

describe("archivePath", () => {
  it.each([
    ["./usr/bin/", "/usr/bin"],
    ["usr//bin/./sh", "/usr/bin/sh"],
    ["/etc/passwd", "/etc/passwd"],
    [".", "/"],
    ["./", "/"],
    ["/", "/"],
    ["a..b/...", "/a..b/..."],
    ["é", "/é"],
  ])("%s is %s", (name, path) => expect(archivePath(name, "tar")).toBe(path));

  it.each([
    ["", "expected a name"],
    ["..", 'without ".."'],
    ["usr/../../etc", 'without ".."'],
    ["a\0b", "without NUL"],
    [`/${"é".repeat(2048)}`, "shorter than 4096 bytes"],
  ])("refuses %j", (name, message) => {
    expect(() => archivePath(name, "tar")).toThrow(FormatError);
    expect(() => archivePath(name, "tar")).toThrow(message);
  });
});
