import type { PlatformDeclaration } from "@cvm-build/profile";
import { expect, it } from "vitest";
import { startedByKernel } from "./by-kernel.ts";
import { Memo } from "./memo.ts";

const start = (declaration: Partial<PlatformDeclaration>) =>
  startedByKernel({
    declaration: { name: "a", description: "A platform", machine: {}, ...declaration },
    memo: new Memo(),
  }).declaration.boot;

it("has QEMU hand the kernel over, whatever a platform says of UKIs", () => {
  expect(start({})).toBe("kernel-bzimage");
  expect(start({ boot: "kernel-uki", tee: "tdx" })).toBe("kernel-bzimage");
  expect(start({ boot: "esp", machine: { vmm: "qemu-before-6.10-host" } })).toBe("kernel-bzimage");
});

it.each<[Partial<PlatformDeclaration>, string]>([
  [{ machine: { vmm: "gce" } }, "expected QEMU with -kernel, got gce"],
  [{ boot: "grub" }, "expected QEMU with -kernel, got a boot loader"],
  [{ boot: "systemd-boot" }, "expected QEMU with -kernel, got a boot loader"],
])("refuses %j", (declaration, message) => {
  expect(() => start(declaration)).toThrow(message);
});
