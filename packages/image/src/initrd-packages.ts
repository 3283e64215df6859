import type { OutputFormat, Profile } from "@cvm-build/profile";

/** Packages that the initrd of a format is made of without being asked; the image itself need not have them. */
const OWN_PACKAGES: Partial<Record<OutputFormat, readonly string[]>> = {
  disk: ["dmsetup", "kmod", "mount", "systemd", "systemd-cryptsetup", "udev"],
  initoverlay: ["busybox", "dmsetup"],
  pmem: ["busybox", "dmsetup"],
};

/** Packages whose files the image's initrd is made of, sorted; none where the format has no initrd of its own. */
export function initrdPackagesOf({ output, content }: Profile): string[] {
  // Both have the same program and exclude each other.
  const isStatic = content.packages.includes("busybox-static");
  const own = OWN_PACKAGES[output.format]?.map((name) => (name === "busybox" && isStatic ? "busybox-static" : name));
  return own ? [...new Set([...own, ...content.initrdPackages])].sort() : [];
}
