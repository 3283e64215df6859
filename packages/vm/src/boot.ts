import type { Host } from "./accelerator.ts";
import { REMOVABLE_MEDIA_PATH } from "./evidence.ts";
import type { PortForward } from "./machine.ts";
import type { ProcessExit } from "./scratch.ts";
import type { VmTools } from "./tools.ts";
import { type EspFile, VirtualMachine } from "./virtual-machine.ts";
import { waitForEnd } from "./wait.ts";

/** A boot to work with. */
export interface BootRequest {
  tools: VmTools;
  host: Host;
  /** The image to boot, a PE file for the removable-media path of the ESP. */
  imagePath: string;
  /** More files on the ESP, such as addons. */
  espFiles?: readonly EspFile[];
  memoryMiB: number;
  cpus: number;
  network: { forwards: readonly PortForward[] } | "none";
  /** `terminal` gives the guest the user's terminal, with QEMU's monitor behind Ctrl-A (Ctrl-A X ends it). */
  serial: "terminal" | "piped";
  temporaryDirectory: string;
  /** Ends the machine. */
  signal?: AbortSignal;
}

/** A machine that runs until its guest switches it off or it is disposed of. */
export interface RunningBoot extends AsyncDisposable {
  /** Settles when QEMU has ended, by itself or because the request's signal said so. */
  readonly exited: Promise<ProcessExit>;
  /** What the guest has written to a `piped` serial port so far. */
  serialText(): string;
  /** Types on a `piped` serial port. */
  type(text: string): void;
  /**
   * Waits until the guest has written `text` to a `piped` serial port.
   * @throws VmError `boot-timeout` or `boot-failed` with the guest's last lines
   */
  waitForSerial(text: string, options: { timeoutSec: number }): Promise<void>;
}

/**
 * Boots an image with a TPM and without measuring anything: what `cvm-build boot` does, and what tests talk to.
 * @throws VmError `image`, `boot-failed` where QEMU does not start
 */
export async function boot(request: BootRequest): Promise<RunningBoot> {
  const { tools, host, signal } = request;
  signal?.throwIfAborted();
  const vm = await VirtualMachine.start({
    tools,
    machine: {
      firmware: tools.firmware,
      accelerator: host.accelerator,
      cpuModel: host.cpuModel,
      cpus: request.cpus,
      memoryMiB: request.memoryMiB,
      bootsFromEsp: true,
      network: request.network,
      serial: request.serial,
      onGuestExit: "as-asked",
    },
    esp: [{ espPath: REMOVABLE_MEDIA_PATH, hostPath: request.imagePath }, ...(request.espFiles ?? [])],
    temporaryDirectory: request.temporaryDirectory,
  });
  const dispose = () => vm[Symbol.asyncDispose]();
  const onAbort = () => void dispose();
  signal?.addEventListener("abort", onAbort, { once: true });
  return {
    exited: vm.qemu.exited,
    serialText: () => vm.serial?.text ?? "",
    type: (text) => vm.type(text),
    async waitForSerial(text, { timeoutSec }) {
      await waitForEnd(vm, { until: [{ kind: "serial-contains", text }], timeoutSec, ...(signal && { signal }) });
    },
    async [Symbol.asyncDispose]() {
      signal?.removeEventListener("abort", onAbort);
      await dispose();
    },
  };
}
