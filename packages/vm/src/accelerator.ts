import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { VmError } from "./errors.ts";
import { type Accelerator, cpuModelFor } from "./machine.ts";
import type { VmTools } from "./tools.ts";
import { VirtualMachine } from "./virtual-machine.ts";

/** Under KVM that works, firmware greets its console within two seconds. */
const TRIAL_MS = 10_000;
const POLL_MS = 50;

/** How machines run best here. */
export interface Host {
  accelerator: Accelerator;
  cpuModel: string;
  /** As QEMU states it, such as 7.2.22. */
  qemuVersion: string;
}

/**
 * Finds out how machines run here. KVM is used only where it runs this very firmware: that a device file exists says little,
 * and some hosts' KVM executes simple code and gives up in the middle of the firmware.
 * @param options.accelerator skips the trial and takes this one
 * @throws VmError `boot-failed` where QEMU does not start at all
 */
export async function probeHost(
  tools: VmTools,
  options: { temporaryDirectory: string; accelerator?: Accelerator },
): Promise<Host> {
  const qemuVersion = await readQemuVersion(tools.qemu);
  const qemuMajor = Number.parseInt(qemuVersion, 10);
  const accelerator = options.accelerator ?? ((await runsUnderKvm(tools, options.temporaryDirectory)) ? "kvm" : "tcg");
  return { accelerator, cpuModel: cpuModelFor(accelerator, qemuMajor), qemuVersion };
}

async function readQemuVersion(qemu: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(qemu, ["--version"], { encoding: "utf8" });
    const version = /version (\d+(?:\.\d+)*)/.exec(stdout)?.[1];
    if (version !== undefined) return version;
    throw new VmError(
      "boot-failed",
      `cannot read the version of "${qemu}": expected a number, got "${stdout.slice(0, 80)}"`,
    );
  } catch (cause) {
    if (cause instanceof VmError) throw cause;
    throw new VmError("boot-failed", `cannot run "${qemu}": expected its version, got an error`, { cause });
  }
}

async function runsUnderKvm(tools: VmTools, temporaryDirectory: string): Promise<boolean> {
  try {
    await using vm = await VirtualMachine.start({
      tools,
      machine: {
        firmware: tools.firmware,
        accelerator: "kvm",
        cpuModel: "host",
        cpus: 1,
        memoryMiB: 256,
        bootsFrom: { kind: "firmware" },
        smbiosStrings: [],
        disks: [],
        network: "none",
        serial: "piped",
        onGuestExit: "freeze",
      },
      esp: [],
      temporaryDirectory,
    });
    const end = performance.now() + TRIAL_MS;
    while (performance.now() < end && vm.qemu.exit() === undefined) {
      if (vm.serial?.text) return true;
      if ((await vm.state()) !== "running") return false;
      await sleep(POLL_MS);
    }
    return false;
  } catch (error) {
    if (error instanceof VmError && error.code === "boot-failed") return false;
    throw error;
  }
}
