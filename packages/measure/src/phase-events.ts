import type { HashAlgorithm } from "@cvm-build/bytes";
import type { Draft } from "./draft.ts";
import type { MeasuredEvent } from "./event.ts";
import { phasePaths } from "./phases.ts";
import type { Prediction } from "./prediction.ts";
import { replay } from "./registers.ts";

/** Adds PCR 11: the words that systemd extends as the boot goes on. */
export function addPhases(draft: Draft, phases: readonly string[]): void {
  for (const phase of phases) {
    const digest = Buffer.from(phase, "utf8");
    draft.add({ pcr: 11, type: undefined, label: phase, source: { constant: "boot phase" }, digest });
  }
}

/**
 * PCR 11 after each phase path, by bank.
 * @param events those of PCR 11 end in one a phase
 */
export function foldPhases(
  events: readonly MeasuredEvent[],
  { banks, phases }: { banks: readonly HashAlgorithm[]; phases: readonly string[] },
): Prediction["phases"] {
  const pcr11 = events.filter(({ register }) => register === "pcr11");
  if (pcr11.length === 0) return {};
  const before = pcr11.length - phases.length;
  const values = phasePaths(phases).map(
    (path, index) => [path, replay(pcr11.slice(0, before + index), { banks, pcrs: [11] })] as const,
  );
  return Object.fromEntries(
    banks.map((bank) => [bank, Object.fromEntries(values.map(([path, value]) => [path, value[bank]?.[11] ?? ""]))]),
  );
}
