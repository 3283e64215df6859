import type { Firmware } from "./tools.ts";

/** How guest instructions run: on the processor, or translated. */
export type Accelerator = "kvm" | "tcg";

/** A TCP port of the host's loopback address that leads to one of the guest. */
export interface PortForward {
  hostPort: number;
  guestPort: number;
}

/** A disk of the guest's: a raw file of the host's, written to. */
export interface Disk {
  path: string;
  /** What the guest sees as its serial number: letters, digits and dashes, at most 20. */
  serial: string;
}

/** What becomes of what a guest writes to the disk that it boots from: there is nothing to write to, it goes with the boot, or it stays. */
export type DiskWrites = "refused" | "forgotten" | "kept";

/** What a machine starts from. */
export type BootSource =
  /** Nothing: firmware alone runs. */
  | { kind: "firmware" }
  /** The first disk, whose EFI system partition is `FILES.espDirectory`. */
  | { kind: "esp" }
  /** A raw disk of the host's, absolute, with an EFI system partition of its own. */
  | { kind: "disk"; path: string; writes: DiskWrites }
  /** A kernel or a UKI that QEMU hands to firmware itself, as it does the command line and initrd; absolute paths. */
  | { kind: "kernel"; path: string; commandLine?: string; initrdPath?: string; placed?: PlacedFile };

/** A file of the host's, absolute, that lies in the guest's memory when it starts. */
export interface PlacedFile {
  path: string;
  addressBytes: number;
}

/** One virtual machine, completely: equal machines give equal command lines. */
export interface Machine {
  firmware: Firmware;
  accelerator: Accelerator;
  /** QEMU's name and flags, such as `max,-cx16`. */
  cpuModel: string;
  cpus: number;
  memoryMiB: number;
  bootsFrom: BootSource;
  /** Strings of SMBIOS type 11, which systemd reads settings from. */
  smbiosStrings: readonly string[];
  /** After the one to boot from, in this order. */
  disks: readonly Disk[];
  /** User-mode networking with these ports forwarded, or no network card at all. */
  network: { forwards: readonly PortForward[] } | "none";
  /** `terminal`: the user's, with QEMU's monitor behind Ctrl-A, or its standard error. `piped`: to cvm-build. */
  serial: "terminal" | "terminal-on-stderr" | "piped";
  /** What the guest's own reboot or power-off does: as on hardware, or the machine stops as it is, for its registers to be read. */
  onGuestExit: "as-asked" | "freeze";
}

/** File descriptors that QEMU inherits, each one end of a socket pair. */
export const CHANNEL_DESCRIPTORS = { qmp: 3, qtest: 4, tpm: 5 } as const;

/** Files of a boot, relative to its scratch directory, which is the directory that QEMU runs in. */
export const FILES = { espDirectory: "esp", vars: "vars.fd", tpmDirectory: "tpm", memory: "memory.bin" } as const;

/**
 * The processor model that boots Linux reliably.
 * @param qemuMajor QEMU's major version: before 10, TCG miscomputes CMPXCHG16B and Linux oopses at random
 */
export function cpuModelFor(accelerator: Accelerator, qemuMajor: number): string {
  if (accelerator === "kvm") return "host";
  return qemuMajor < 10 ? "max,-cx16" : "max";
}

/**
 * The arguments of `qemu-system-x86_64` for a machine. Nothing of the user's configuration and no default device takes part,
 * no device has an option ROM (it would be measured), and there is no entropy device (firmware fails to leave boot services with one).
 */
export function qemuArguments(machine: Machine): string[] {
  const { accelerator, firmware } = machine;
  const pflash = firmware.varsPath === undefined ? "" : ",pflash0=code,pflash1=vars";
  return [
    ["-nodefaults", "-no-user-config"],
    ["-machine", `q35,accel=${accelerator},smm=${firmware.smm ? "on" : "off"}${pflash}`],
    firmware.smm ? SMM_ARGUMENTS : [],
    ["-cpu", machine.cpuModel, "-smp", String(machine.cpus), "-m", `${machine.memoryMiB}M`],
    ["-display", "none", "-rtc", "base=utc"],
    firmwareArguments(firmware),
    ["-chardev", `socket,id=qmp,fd=${CHANNEL_DESCRIPTORS.qmp}`, "-mon", "chardev=qmp,mode=control"],
    // qtest reads and writes the guest's physical addresses from outside, whichever accelerator runs the guest.
    ["-chardev", `socket,id=qtest,fd=${CHANNEL_DESCRIPTORS.qtest}`, "-qtest", "chardev:qtest", "-qtest-log", "none"],
    ["-chardev", `socket,id=tpm,fd=${CHANNEL_DESCRIPTORS.tpm}`, "-tpmdev", "emulator,id=tpm0,chardev=tpm"],
    ["-device", "tpm-crb,tpmdev=tpm0"],
    bootArguments(machine.bootsFrom),
    machine.smbiosStrings.flatMap((value) => ["-smbios", `type=11,value=${value.replaceAll(",", ",,")}`]),
    machine.disks.flatMap(diskArguments),
    networkArguments(machine.network),
    serialArguments(machine.serial),
    machine.onGuestExit === "freeze" ? ["-action", "reboot=shutdown,shutdown=pause,panic=pause"] : [],
  ].flat();
}

/** Only code in system management mode may write to the variable store; there is no sleep state for it to survive. */
const SMM_ARGUMENTS = [
  ["-global", "driver=cfi.pflash01,property=secure,value=on"],
  ["-global", "ICH9-LPC.disable_s3=1"],
].flat();

const BOOT_DEVICE = ["-device", "virtio-blk-pci,drive=esp,bootindex=1"];

function firmwareArguments(firmware: Firmware): string[] {
  if (firmware.varsPath === undefined) return ["-bios", firmware.codePath];
  return [
    ...blockDevice({ driver: "file", "node-name": "code", filename: firmware.codePath, "read-only": true }),
    ...blockDevice({ driver: "file", "node-name": "vars", filename: FILES.vars }),
  ];
}

function bootArguments(source: BootSource): string[] {
  switch (source.kind) {
    case "firmware":
      return [];
    case "esp":
      return bootDisk({ driver: "vvfat", dir: FILES.espDirectory, "fat-type": 16, label: "ESP" }, "read-only");
    case "disk":
      return rawDisk(source);
    case "kernel":
      return [
        ["-kernel", source.path],
        source.commandLine === undefined ? [] : ["-append", source.commandLine],
        source.initrdPath === undefined ? [] : ["-initrd", source.initrdPath],
        source.placed === undefined ? [] : placedArguments(source.placed),
      ].flat();
  }
}

function placedArguments({ path, addressBytes }: PlacedFile): string[] {
  return ["-device", JSON.stringify({ driver: "loader", file: path, addr: addressBytes, "force-raw": true })];
}

/** With vvfat QEMU shows a directory as a disk with a FAT16 partition, so that no file system has to be written for a boot. */
function bootDisk(options: Record<string, string | number>, access: "read-only" | "writable"): string[] {
  return [...blockDevice({ ...options, "node-name": "esp", "read-only": access === "read-only" }), ...BOOT_DEVICE];
}

function rawDisk({ path, writes }: Extract<BootSource, { kind: "disk" }>): string[] {
  // Only this option has QEMU keep what is written elsewhere, in a file without a name.
  const drive = `if=none,id=esp,format=raw,snapshot=on,file=${path.replaceAll(",", ",,")}`;
  if (writes === "forgotten") return ["-drive", drive, ...BOOT_DEVICE];
  return bootDisk({ driver: "file", filename: path }, writes === "kept" ? "writable" : "read-only");
}

function diskArguments({ path, serial }: Disk, index: number): string[] {
  const node = `disk${index}`;
  return [
    ...blockDevice({ driver: "file", "node-name": node, filename: path }),
    ...["-device", JSON.stringify({ driver: "virtio-blk-pci", drive: node, serial })],
  ];
}

function networkArguments(network: Machine["network"]): string[] {
  if (network === "none") return [];
  const forwards = network.forwards.map(
    ({ hostPort, guestPort }) => `,hostfwd=tcp:127.0.0.1:${hostPort}-:${guestPort}`,
  );
  return ["-netdev", `user,id=net0${forwards.join("")}`, "-device", "virtio-net-pci,netdev=net0,romfile="];
}

function serialArguments(serial: Machine["serial"]): string[] {
  if (serial !== "piped") return ["-serial", "mon:stdio"];
  return ["-chardev", "stdio,id=serial,signal=off", "-serial", "chardev:serial"];
}

/** JSON, in which a path may hold commas. */
function blockDevice(options: Record<string, string | number | boolean>): string[] {
  return ["-blockdev", JSON.stringify(options)];
}
