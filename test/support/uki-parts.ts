import { readdirSync } from "node:fs";
import { join } from "node:path";
import { debianFiles } from "./trixie-root.ts";

/** The systemd-stub of a Debian release, or undefined where it cannot be had and a test may skip. */
export function debianStub(release: "bookworm" | "trixie" | "sid"): string | undefined {
  const root = debianFiles(release, ["systemd-boot-efi"], /^systemd-boot-efi$/);
  return root === undefined ? undefined : join(root, "usr/lib/systemd/boot/efi/linuxx64.efi.stub");
}

/** A kernel of Debian trixie with its release, or undefined where it cannot be had and a test may skip. */
export function debianKernel(): { path: string; release: string } | undefined {
  const root = debianFiles("trixie", ["linux-image-cloud-amd64"], /^linux-image-[0-9]/);
  if (root === undefined) return undefined;
  const name = readdirSync(join(root, "boot")).find((file) => file.startsWith("vmlinuz-"));
  if (name === undefined) throw new Error("linux-image-cloud-amd64 holds no kernel");
  return { path: join(root, "boot", name), release: name.slice("vmlinuz-".length) };
}
