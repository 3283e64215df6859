import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Figures, timed } from "./timed.ts";

/** Unpacks the packages of a lock as dpkg would, one after another: the floor of every tool that runs dpkg. */
export function unpackWithDpkg(store: string, lock: string, scratch: string): Figures {
  const { packages } = JSON.parse(readFileSync(lock, "utf8")) as { packages: { role: string; sha256: string }[] };
  const files = packages
    .filter(({ role }) => role === "image")
    .map(({ sha256 }) => join(store, "objects", sha256.slice(0, 2), sha256.slice(2)));
  const root = mkdtempSync(join(scratch, "dpkg-"));
  try {
    return timed(["sh", "-c", 'for deb; do dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$PWD"; done', "sh", ...files], {
      cwd: root,
    });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
