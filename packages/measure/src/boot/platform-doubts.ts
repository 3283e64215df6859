import type { Boot } from "./boot.ts";
import type { OpenRegisters } from "./open-registers.ts";

/** Leaves open what depends on firmware and machine, where the description does not say enough of them. */
export function leavePlatformOpen(open: OpenRegisters, boot: Boot): void {
  const { path, firmware, machine, disk, secureBoot } = boot;
  open.leave([0], "depends on the firmware build and, for some, on memory size and number of CPUs");
  if (machine?.hasOptionRoms !== false) open.leave([2, 3], "depends on option ROMs of devices");
  if (firmware === undefined) open.leave([5, 6], "depends on the firmware build");
  const fromDisk = path.kind !== "kernel-uki" && path.kind !== "kernel-bzimage";
  if (fromDisk && disk?.gpt === undefined) open.leave([5], "depends on the disk's partition table");
  if (secureBoot === false) open.leave([7], "depends on the Secure Boot variables of the firmware");
}
