import type { FileTree } from "@cvm-build/fs-writer";

/** What bytes of an initrd are for. */
export const INITRD_PURPOSES = ["modules", "systemd", "libraries", "programs", "configuration"] as const;
export type InitrdPurpose = (typeof INITRD_PURPOSES)[number];

/** Files and their bytes by what they are for; hard links count once, symbolic links and directories not at all. */
export type InitrdSizes = Record<InitrdPurpose, { fileCount: number; sizeBytes: number }>;

/** Shared libraries and the dynamic linker. */
const LIBRARY = /^\/usr\/.*\/(?:lib|ld-)[^/]*\.so(?:\.[^/]*)?$/;
const SYSTEMD_PACKAGES = new Set(["systemd", "systemd-cryptsetup", "udev"]);

/** Says what the bytes of an initrd are for. */
export function measureInitrd(tree: FileTree): InitrdSizes {
  const empty = () => ({ fileCount: 0, sizeBytes: 0 });
  const sizes: InitrdSizes = {
    modules: empty(),
    systemd: empty(),
    libraries: empty(),
    programs: empty(),
    configuration: empty(),
  };
  const seen = new Set<unknown>();
  for (const [path, node] of tree.entries()) {
    if (node.kind !== "file" || seen.has(node)) continue;
    seen.add(node);
    const size = sizes[purposeOf(path, node.origin.name)];
    size.fileCount++;
    size.sizeBytes += node.content.sizeBytes;
  }
  return sizes;
}

function purposeOf(path: string, packageName: string): InitrdPurpose {
  if (path.startsWith("/usr/lib/modules/")) return "modules";
  if (LIBRARY.test(path)) return "libraries";
  if (SYSTEMD_PACKAGES.has(packageName)) return "systemd";
  return path.startsWith("/etc/") || packageName === "initrd" ? "configuration" : "programs";
}
