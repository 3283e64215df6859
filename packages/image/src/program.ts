import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Sha256Hex, sha256Hex } from "@cvm-build/bytes";

/** The version that manifests and `--version` name. */
export const PROGRAM_VERSION = "0.1.0";

const PACKAGES = join(import.meta.dirname, "../..");

let fingerprint: Sha256Hex | undefined;

/**
 * Tells one state of cvm-build's own code from another, by the sizes and times of its files: an image is up to date
 * only for the program that built it. Never part of an output. Taken once: code that is loaded stays as it is.
 */
export function programFingerprint(): Sha256Hex {
  fingerprint ??= sha256Hex(
    readdirSync(PACKAGES)
      .flatMap((name) => stampsBelow(`${PACKAGES}/${name}/src`))
      .sort()
      .join("\n"),
  );
  return fingerprint;
}

/** By hand, which takes half as long as `readdirSync` with all that is below. */
function stampsBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return stampsBelow(path);
    if (!entry.name.endsWith(".ts") || entry.name.endsWith(".test.ts")) return [];
    const { size, mtimeMs } = statSync(path);
    return [`${path.slice(PACKAGES.length)} ${size} ${mtimeMs}`];
  });
}
