import { describe, expect, it } from "vitest";
import { sourceFiles } from "./sources.ts";

const THROWN = /new CvmError\(\s*"[\w-]+",\s*[`"]([^`"]*)/g;

describe("error grammar", () => {
  it.each(
    sourceFiles()
      .filter((file) => !file.isTest && file.text.includes("new CvmError("))
      .map((file) => [file.path, file] as const),
  )("%s: cannot <verb> <object>: expected X, got Y", (_, file) => {
    for (const [, message] of file.text.matchAll(THROWN)) {
      expect(message).toMatch(/^(cannot |\$\{)/);
      expect(message, "no full stop").not.toMatch(/\.$/);
    }
  });
});
