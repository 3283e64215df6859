import { resolve } from "node:path";
import type { Host } from "./accelerator.ts";
import { VmError } from "./errors.ts";
import type { BootSource, Disk, DiskWrites, Machine, PlacedFile, PortForward } from "./machine.ts";
import type { VmTools } from "./tools.ts";
import { type EspFile, VirtualMachine } from "./virtual-machine.ts";

/** How an image is started. */
export type ImagePath =
  /** As a PE file on an ESP, where firmware looks for a removable medium's loader. */
  | { kind: "esp" }
  /** As a UKI or a bzImage that QEMU hands to firmware. There is no ESP. */
  | { kind: "kernel"; commandLine?: string; initrdPath?: string; placed?: PlacedFile }
  /** As a whole raw disk with an ESP on it, which is only read unless `writes` says so. */
  | { kind: "disk"; writes?: DiskWrites };

/** An image and the machine that it is booted on. */
export interface ImageBoot {
  tools: VmTools;
  host: Host;
  /** A PE file, or what `path` says. */
  imagePath: string;
  /** From an ESP unless given. */
  path?: ImagePath;
  /** More files on the ESP, such as addons; only where `path` is one. */
  espFiles?: readonly EspFile[];
  /** Strings of SMBIOS type 11, such as `io.systemd.stub.kernel-cmdline-extra=quiet`. */
  smbiosStrings?: readonly string[];
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
  const { tools, host, path = { kind: "esp" } } = boot;
  boot.signal?.throwIfAborted();
  if (path.kind !== "esp" && boot.espFiles !== undefined) {
    const message = `cannot put files on an ESP beside "${boot.imagePath}": expected an image that boots from it, got a ${path.kind}`;
    throw new VmError("image", message);
  }
  const onEsp = path.kind === "esp" ? [{ espPath: REMOVABLE_MEDIA_PATH, hostPath: boot.imagePath }] : [];
  return VirtualMachine.start({
    tools,
    machine: {
      firmware: tools.firmware,
      accelerator: host.accelerator,
      cpuModel: host.cpuModel,
      cpus: boot.cpus,
      memoryMiB: boot.memoryMiB,
      bootsFrom: bootSource(resolve(boot.imagePath), path),
      smbiosStrings: boot.smbiosStrings ?? [],
      disks: (boot.disks ?? []).map((disk) => ({ ...disk, path: resolve(disk.path) })),
      network: boot.network,
      serial: options.serial,
      onGuestExit: options.onGuestExit,
    },
    esp: [...onEsp, ...(boot.espFiles ?? [])],
    temporaryDirectory: boot.temporaryDirectory,
    ...(boot.tpmStateDirectory !== undefined && { tpmStateDirectory: resolve(boot.tpmStateDirectory) }),
  });
}

function bootSource(imagePath: string, path: ImagePath): BootSource {
  switch (path.kind) {
    case "esp":
      return { kind: "esp" };
    case "disk":
      return { kind: "disk", path: imagePath, writes: path.writes ?? "refused" };
    case "kernel": {
      const { initrdPath, placed, ...rest } = path;
      return {
        ...rest,
        path: imagePath,
        ...(initrdPath !== undefined && { initrdPath: resolve(initrdPath) }),
        ...(placed && { placed: { ...placed, path: resolve(placed.path) } }),
      };
    }
  }
}
