import { type ImageBoot, startImage } from "./image-boot.ts";
import type { Machine } from "./machine.ts";
import type { ProcessExit } from "./scratch.ts";
import { waitForEnd } from "./wait.ts";

/** A boot to work with. */
export interface BootRequest extends ImageBoot {
  /**
   * `terminal` gives the guest the user's terminal, with QEMU's monitor behind Ctrl-A (Ctrl-A X ends it); with
   * `terminal-on-stderr` what the guest writes goes to standard error, for those who need standard output.
   */
  serial: Machine["serial"];
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
   * @throws VmError `boot-timeout` or `boot-failed` with the guest's last lines; the request's signal's reason
   */
  waitForSerial(text: string, options: { timeoutSec: number }): Promise<void>;
}

/**
 * Boots an image with a TPM and without reading anything back: what `cvm-build boot` does, and what tests talk to.
 * @throws VmError `image`, `boot-failed` where QEMU does not start; the signal's reason
 */
export async function boot(request: BootRequest): Promise<RunningBoot> {
  const { signal } = request;
  const vm = await startImage(request, { serial: request.serial, onGuestExit: "as-asked" });
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
