import { resolve } from "node:path";
import type { Host } from "./accelerator.ts";
import type { Disk, Machine, PortForward } from "./machine.ts";
import type { VmTools } from "./tools.ts";
import { type EspFile, VirtualMachine } from "./virtual-machine.ts";

/** An image and the machine that it is booted on. */
export interface ImageBoot {
  tools: VmTools;
  host: Host;
  /** A PE file, put where the firmware looks for a removable medium's loader. */
  imagePath: string;
  /** More files on the ESP, such as addons. */
  espFiles?: readonly EspFile[];
  /** Disks beside the one that it boots from. */
  disks?: readonly Disk[];
  /** A folder that the TPM keeps its state in, which then outlives the boot. Without it each boot has a new TPM. */
  tpmStateDirectory?: string;
  memoryMiB: number;
  cpus: number;
  /** User-mode networking with ports of 127.0.0.1 forwarded, or no network card. */
  network: { forwards: readonly PortForward[] } | "none";
  /** Where scratch files are made. Nothing stays there. */
  temporaryDirectory: string;
  /** Ends the boot. */
  signal?: AbortSignal;
}

/** @see UEFI Specification, section 3.5.1.1, "Removable Media Boot Behavior" */
const REMOVABLE_MEDIA_PATH = "EFI/BOOT/BOOTX64.EFI";

/**
 * Powers a machine on with an image in it.
 * @throws VmError `image`, `boot-failed` where QEMU does not start; the signal's reason
 */
export async function startImage(
  boot: ImageBoot,
  options: Pick<Machine, "serial" | "onGuestExit">,
): Promise<VirtualMachine> {
  const { tools, host } = boot;
  boot.signal?.throwIfAborted();
  return VirtualMachine.start({
    tools,
    machine: {
      firmware: tools.firmware,
      accelerator: host.accelerator,
      cpuModel: host.cpuModel,
      cpus: boot.cpus,
      memoryMiB: boot.memoryMiB,
      bootsFromEsp: true,
      disks: (boot.disks ?? []).map(({ path, serial }) => ({ path: resolve(path), serial })),
      network: boot.network,
      serial: options.serial,
      onGuestExit: options.onGuestExit,
    },
    esp: [{ espPath: REMOVABLE_MEDIA_PATH, hostPath: boot.imagePath }, ...(boot.espFiles ?? [])],
    temporaryDirectory: boot.temporaryDirectory,
    ...(boot.tpmStateDirectory !== undefined && { tpmStateDirectory: resolve(boot.tpmStateDirectory) }),
  });
}
