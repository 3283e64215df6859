import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { debianFiles } from "../support/trixie-root.ts";

const vectors = join(import.meta.dirname, "../../../shared/vectors/firmware");

/** Folders of packages by release: finding out about their versions takes seconds. */
const folders = new Map<string, string | undefined>();

/** Firmware of a Debian release: `bookworm/OVMF/OVMF_CODE_4M.fd`. Undefined where it is not to be had. */
export function ovmfFile(name: string): string | undefined {
  const release = name.slice(0, name.indexOf("/"));
  const packages = release === "sid" ? ["ovmf", "ovmf-amdsev"] : ["ovmf"];
  if (!folders.has(release)) folders.set(release, debianFiles(release, packages, /^ovmf/));
  const folder = folders.get(release);
  const path = folder && join(folder, "usr/share", name.slice(release.length + 1));
  return path && existsSync(path) ? path : undefined;
}

/** An image of the vectors: `trixie-ovmf-2025.02-OVMF.fd`. */
export function ovmfVector(name: string): Buffer {
  return gunzipSync(readFileSync(join(vectors, `${name}.gz`)));
}

/** Whether the vectors are here. */
export const hasOvmfVectors = existsSync(vectors);

/** Lower-case hex. */
export function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
