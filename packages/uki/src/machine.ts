import { MACHINES } from "./pe/format.ts";
import type { PeImage } from "./pe/reader.ts";

/** Machines that images are assembled for. */
export const ASSEMBLED_MACHINES: readonly string[] = ["x86-64", "aarch64"];

/** What an image runs on, as text: `x86-64`, or the number where it has no name here. */
export function machineOf({ coff: { machine } }: PeImage): string {
  const names: Readonly<Record<number, string>> = MACHINES;
  return names[machine] ?? `machine 0x${machine.toString(16)}`;
}
