import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryFolder } from "./temporary-folder.ts";

it("packs a file that is larger than the memory it takes", () => {
  using folder = temporaryFolder();
  const script = join(import.meta.dirname, "pack-large-file.ts");
  const output = execFileSync(process.execPath, [script, folder.path, "600"], { encoding: "utf8" });
  const { uncompressedSizeBytes, peakBytes } = JSON.parse(output) as Record<string, number>;
  expect(uncompressedSizeBytes).toBeGreaterThan(600 << 20);
  expect(peakBytes).toBeLessThan(400 << 20);
});
