import { readdirSync } from "node:fs";
import { join } from "node:path";
import { debianFiles } from "./trixie-root.ts";

/** The systemd-stub of a Debian release, or undefined where it cannot be had and a test may skip. */
export function debianStub(
  release: "bookworm" | "trixie" | "sid",
  architecture: "amd64" | "arm64" = "amd64",
): string | undefined {
  return bootFile(release, architecture, { amd64: "linuxx64.efi.stub", arm64: "linuxaa64.efi.stub" }[architecture]);
}

/** The add-on stub of a Debian release; as `debianStub`. */
export function debianAddonStub(
  release: "trixie" | "sid",
  architecture: "amd64" | "arm64" = "amd64",
): string | undefined {
  return bootFile(release, architecture, { amd64: "addonx64.efi.stub", arm64: "addonaa64.efi.stub" }[architecture]);
}

function bootFile(release: string, architecture: "amd64" | "arm64", name: string): string | undefined {
  const root = debianFiles(release, ["systemd-boot-efi"], /^systemd-boot-efi$/, architecture);
  return root === undefined ? undefined : join(root, "usr/lib/systemd/boot/efi", name);
}

/** A kernel of Debian trixie with its release, or undefined where it cannot be had and a test may skip. */
export function debianKernel(): { path: string; release: string } | undefined {
  const root = debianFiles("trixie", ["linux-image-cloud-amd64"], /^linux-image-[0-9]/);
  if (root === undefined) return undefined;
  const name = readdirSync(join(root, "boot")).find((file) => file.startsWith("vmlinuz-"));
  if (name === undefined) throw new Error("linux-image-cloud-amd64 holds no kernel");
  return { path: join(root, "boot", name), release: name.slice("vmlinuz-".length) };
}
