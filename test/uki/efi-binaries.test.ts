import { readdirSync } from "node:fs";
import { join } from "node:path";
import { openFileSource } from "@cvm-build/bytes";
import { inspectUki, readKernelRelease } from "@cvm-build/uki";
import { describe, expect, it } from "vitest";
import { debianFiles } from "../support/trixie-root.ts";

/** EFI programs that others have made: what is read of each, and whose signature is on it. */
const BINARIES: readonly {
  packages: string[];
  unpacked: RegExp;
  release?: "bookworm" | "trixie" | "sid";
  architecture?: "arm64";
  files: Record<string, { kind: string; machine?: string; signer?: string }>;
}[] = [
  {
    packages: ["grub-efi-amd64-signed"],
    unpacked: /^grub-efi-amd64-signed$/,
    files: {
      "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed": { kind: "efi", signer: "Debian Secure Boot Signer" },
    },
  },
  {
    packages: ["shim-signed"],
    unpacked: /^shim-/,
    files: {
      "usr/lib/shim/shimx64.efi.signed": { kind: "efi", signer: "Microsoft" },
      "usr/lib/shim/mmx64.efi.signed": { kind: "efi", signer: "Debian Secure Boot Signer" },
    },
  },
  {
    packages: ["memtest86+"],
    unpacked: /^memtest86/,
    files: {
      // Bears the boot header of an x86 kernel, so that boot loaders start it as one.
      "boot/memtest86+x64.efi": { kind: "kernel" },
      "boot/memtest86+ia32.efi": { kind: "kernel", machine: "ia32" },
    },
  },
  {
    packages: ["fwupd-amd64-signed"],
    unpacked: /^fwupd-(unsigned|amd64-signed)$/,
    files: { "usr/libexec/fwupd/efi/fwupdx64.efi.signed": { kind: "efi", signer: "Debian Secure Boot Signer" } },
  },
  {
    packages: ["systemd-boot-efi"],
    unpacked: /^systemd-boot-efi$/,
    release: "bookworm",
    files: { "usr/lib/systemd/boot/efi/linuxx64.efi.stub": { kind: "stub" } },
  },
  {
    packages: ["systemd-boot-efi"],
    unpacked: /^systemd-boot-efi$/,
    release: "sid",
    files: {
      "usr/lib/systemd/boot/efi/linuxx64.efi.stub": { kind: "stub" },
      "usr/lib/systemd/boot/efi/addonx64.efi.stub": { kind: "stub" },
      "usr/lib/systemd/boot/efi/systemd-bootx64.efi": { kind: "efi" },
    },
  },
  {
    packages: ["linux-image-cloud-amd64"],
    unpacked: /^linux-image-[0-9]/,
    files: { "boot/vmlinuz-*": { kind: "kernel", signer: "Debian Secure Boot Signer" } },
  },
  {
    packages: ["linux-image-cloud-amd64"],
    unpacked: /^linux-image-[0-9]/,
    release: "bookworm",
    files: { "boot/vmlinuz-*": { kind: "kernel", signer: "Debian Secure Boot Signer" } },
  },
  {
    packages: ["linux-image-cloud-arm64"],
    unpacked: /^linux-image-[0-9]/,
    architecture: "arm64",
    files: { "boot/vmlinuz-*": { kind: "kernel", machine: "aarch64", signer: "Debian Secure Boot Signer" } },
  },
];

describe("EFI programs of Debian", () => {
  it.for(BINARIES.map((row) => [row.packages.join(" "), row.release ?? "trixie", row] as const))(
    "%s of %s",
    ([, release, { packages, unpacked, architecture, files }], { skip }) => {
      const root = debianFiles(release, packages, unpacked, architecture);
      if (root === undefined) return void skip();
      for (const [pattern, { kind, machine = "x86-64", signer }] of Object.entries(files)) {
        const path = findFile(root, pattern);
        using source = openFileSource(path);
        const inspection = inspectUki(source);
        expect({ kind: inspection.kind, machine: inspection.machine }).toEqual({ kind, machine });
        const signatures = inspection.signatures ?? [];
        expect(signatures.length > 0).toBe(signer !== undefined);
        for (const { problem, subject } of signatures) {
          expect(problem).toBeUndefined();
          expect(subject).toMatch(new RegExp(`CN=${signer}`));
        }
        const kernel = /vmlinuz-(.*)$/.exec(path)?.[1];
        if (kernel !== undefined) expect(readKernelRelease(source)).toBe(kernel);
      }
    },
  );
});

function findFile(root: string, pattern: string): string {
  const path = join(root, pattern);
  if (!path.endsWith("*")) return path;
  const [folder, start] = [join(path, ".."), path.split("/").at(-1)?.slice(0, -1) ?? ""];
  const name = readdirSync(folder).find((file) => file.startsWith(start));
  if (name === undefined) throw new Error(`${pattern} is in the package`);
  return join(folder, name);
}
