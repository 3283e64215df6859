import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { contentOf } from "../content.ts";
import { FileTree } from "../file-tree.ts";
import type { FileNode, Origin } from "../tree.ts";
import { type VfatOptions, writeVfat, type WrittenVfat } from "./writer.ts";

export const ORIGIN: Origin = { kind: "artifact", name: "esp" };
export const CLAMP_SEC = 1_757_635_201;
export const OPTIONS = { label: "ESP", serial: 0x1234abcd, mtimeClampSec: CLAMP_SEC };

const attributes = { mode: 0o644, uid: 0, gid: 0, mtimeSec: 1_700_000_000, origin: ORIGIN };

/** A file of a tree. */
export function file(content: string | Uint8Array, mtimeSec = attributes.mtimeSec): FileNode {
  return { ...attributes, kind: "file", content: contentOf(content), mtimeSec };
}

/** A tree of files by path; their directories are made. */
export function treeOf(files: Readonly<Record<string, FileNode>>): FileTree {
  const tree = new FileTree({ ...attributes, mode: 0o755 });
  for (const [path, node] of Object.entries(files)) {
    tree.makeDirectories(path.slice(0, path.lastIndexOf("/")) || "/", ORIGIN);
    tree.set(path, node);
  }
  return tree;
}

/** What an EFI system partition holds, and names that are no short ones. */
export function sampleTree(): FileTree {
  return treeOf({
    "/EFI/BOOT/BOOTX64.EFI": file("MZ boot".repeat(1000)),
    "/EFI/Linux/cvm-build-reth-node_1.0+3.efi": file("MZ uki".repeat(5000), CLAMP_SEC + 500),
    "/EFI/Linux/cvm-build-reth-node_1.0+2.efi": file("MZ older", 0),
    "/loader/entries.srel": file("type1\n"),
    "/loader/empty": file(""),
    "/Főtanúsítvány.crt": file("certificate"),
    "/a b+c.longer": file("odd"),
    "/exactly13.efi": file("13 characters"),
  });
}

/** Writes a volume to a temporary place and gives its bytes. */
export async function volumeOf(
  tree: FileTree,
  options: Partial<VfatOptions> = {},
): Promise<WrittenVfat & { bytes: Buffer }> {
  const folder = mkdtempSync(join(tmpdir(), "cvm-vfat-"));
  try {
    const output = join(folder, "esp.img");
    const written = await writeVfat(tree, { ...OPTIONS, ...options, output });
    return { ...written, bytes: readFileSync(output) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
