import { boot, type ProcessExit } from "@cvm-build/vm";
import { findImage, type ImageChoice, machineFor, type MachineOptions } from "./machine.ts";
import { startOfImage } from "./start-image.ts";
import type { Surroundings } from "./surroundings.ts";

/** An image to boot on this terminal. */
export interface BootImageRequest {
  choice: ImageChoice;
  machine: MachineOptions;
  /** TCP ports of 127.0.0.1 that lead to ports of the guest. */
  forwards: { hostPort: number; guestPort: number }[];
  /** Which of the terminal's streams shows the serial line. */
  serialOn: "stdout" | "stderr";
}

/** What was booted, and how it ended. */
export interface BootReport {
  image: string;
  exit: ProcessExit;
}

/** Boots an image with its serial line on the user's terminal, until the guest or the user ends it. */
export async function bootImage(request: BootImageRequest, surroundings: Surroundings): Promise<BootReport> {
  const built = findImage(request.choice, surroundings);
  const machine = await machineFor(request.machine, { uki: built.path, surroundings });
  const start = startOfImage(built).boot;
  await using running = await boot({
    ...machine,
    ...start,
    // A machine of one's own could write to its disk; the image stays what was built.
    ...(start.path?.kind === "disk" && { path: { ...start.path, writes: "forgotten" } }),
    network: { forwards: request.forwards },
    serial: request.serialOn === "stdout" ? "terminal" : "terminal-on-stderr",
  });
  return { image: built.path, exit: await running.exited };
}
