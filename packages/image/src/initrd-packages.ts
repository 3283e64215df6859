import type { OutputFormat, Profile } from "@cvm-build/profile";

/** Packages that the initrd of a format is made of without being asked; the image itself need not have them. */
const OWN_PACKAGES: Partial<Record<OutputFormat, readonly string[]>> = {
  disk: ["dmsetup", "kmod", "mount", "systemd", "systemd-cryptsetup", "udev"],
  initoverlay: ["busybox-static", "dmsetup"],
};

/** Packages whose files the image's initrd is made of, sorted; none where the format has no initrd of its own. */
export function initrdPackagesOf({ output, content }: Profile): string[] {
  const own = OWN_PACKAGES[output.format];
  return own ? [...new Set([...own, ...content.initrdPackages])].sort() : [];
}
