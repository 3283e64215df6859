import { CvmError } from "@cvm-build/bytes";
import type { ReadyPlatform } from "./ready-platform.ts";

/**
 * A platform whose VMM hands kernel, initrd and command line to firmware: an image that is these is started in no other way,
 * whatever the platform says of UKIs.
 * @throws CvmError `usage` where nobody can hand them over: in a cloud, or where a loader comes first
 */
export function startedByKernel(platform: ReadyPlatform): ReadyPlatform {
  const { declaration } = platform;
  const { name, boot = "esp", machine, paravisor } = declaration;
  const hasLoader = boot === "systemd-boot" || boot === "grub" || declaration.shim !== undefined;
  const isOwnVmm = machine.vmm === undefined || machine.vmm.startsWith("qemu");
  if (!hasLoader && isOwnVmm && !paravisor) {
    return { ...platform, declaration: { ...declaration, boot: "kernel-bzimage" } };
  }
  const got = hasLoader ? "a boot loader" : (machine.vmm ?? "a paravisor");
  throw new CvmError("usage", `cannot start a kernel on platform "${name}": expected QEMU with -kernel, got ${got}`, {
    hint: "Format=direct is for QEMU; build this platform's image with Format=uki or disk",
  });
}
