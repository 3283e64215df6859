import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { debianRoot } from "./trixie-root.ts";

/**
 * Writes a script that runs the QEMU of a Debian release with its own libraries and its own firmware files.
 * @param folder where the script is put
 * @returns its path, or undefined where that QEMU cannot be had and a test may skip
 */
export function debianQemu(release: "trixie" | "sid", folder: string): string | undefined {
  const root = debianRoot(release, ["qemu-system-x86", "seabios"]);
  if (root === undefined) return undefined;
  const path = join(folder, `qemu-${release}`);
  const command = root.command("usr/bin/qemu-system-x86_64").map((word) => `'${word}'`);
  const data = ["qemu", "seabios"].map((name) => `-L '${join(root.path, "usr/share", name)}'`);
  writeFileSync(path, `#!/bin/sh\nexec ${[...command, ...data].join(" ")} "$@"\n`);
  chmodSync(path, 0o755);
  return path;
}
