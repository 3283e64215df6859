import { boot, type ProcessExit } from "@cvm-build/vm";
import { companionsBeside } from "./companions.ts";
import { findImage, type ImageChoice, machineFor, type MachineOptions } from "./machine.ts";
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
  const { path: uki } = findImage(request.choice, surroundings);
  const machine = await machineFor(request.machine, { uki, surroundings });
  await using running = await boot({
    ...machine,
    imagePath: uki,
    espFiles: companionsBeside(uki),
    network: { forwards: request.forwards },
    serial: request.serialOn === "stdout" ? "terminal" : "terminal-on-stderr",
  });
  return { image: uki, exit: await running.exited };
}
