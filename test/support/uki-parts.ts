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

/** The systemd-boot of a Debian release; as `debianStub`. */
export function debianLoader(release: "bookworm" | "trixie" | "sid"): string | undefined {
  return bootFile(release, "amd64", "systemd-bootx64.efi");
}

/** A kernel of a Debian release, trixie unless given, with its own release; undefined where it cannot be had and a test may skip. */
export function debianKernel(
  release: "bookworm" | "trixie" | "sid" = "trixie",
): { path: string; release: string } | undefined {
  const root = debianFiles(release, ["linux-image-cloud-amd64"], /^linux-(image|binary)-[0-9]/);
  if (root === undefined) return undefined;
  const files = readdirSync(root, { recursive: true, encoding: "utf8" });
  // `boot/vmlinuz-RELEASE`, or since Linux 7 `usr/lib/modules/RELEASE/vmlinuz`.
  const found = files.map((file) => ({ file, release: /vmlinuz-(.+)$|modules\/(.+)\/vmlinuz$/.exec(file) }));
  const kernel = found.find((each) => each.release);
  if (!kernel?.release) throw new Error("linux-image-cloud-amd64 holds no kernel");
  return { path: join(root, kernel.file), release: kernel.release[1] ?? kernel.release[2] ?? "" };
}
