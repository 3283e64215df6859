import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Sha256Hex, sha256Hex } from "@cvm-build/bytes";

/** The version that manifests and `--version` name. */
export const PROGRAM_VERSION = "0.1.0";

const PACKAGES = join(import.meta.dirname, "../..");

/**
 * Tells one state of cvm-build's own code from another, by the sizes and times of its files: an image is up to date
 * only for the program that built it. Never part of an output.
 */
export function programFingerprint(): Sha256Hex {
  const lines = readdirSync(PACKAGES)
    .sort()
    .flatMap((name) => {
      const source = join(PACKAGES, name, "src");
      return readdirSync(source, { recursive: true, encoding: "utf8" })
        .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
        .sort()
        .map((file) => {
          const { size, mtimeMs } = statSync(join(source, file));
          return `${name}/${file} ${size} ${mtimeMs}`;
        });
    });
  return sha256Hex(lines.join("\n"));
}
