import { compareWithCcel, compareWithLog, type RegisterValues } from "@cvm-build/measure";
import type { PlatformMeasurements } from "../measurements.ts";
import { explainDifference, type VerifiedRegister } from "./event-difference.ts";
import type { OpenLog } from "./log.ts";
import { predictionOf } from "./prediction-of-log.ts";

/**
 * Holds a log and registers against one platform of what was published, register by register and event by event.
 * @param options.platform its alternatives settled
 * @param options.found registers of the same moment as the platform's
 */
export function compareLog(
  { kind, log }: OpenLog,
  { platform, found }: { platform: PlatformMeasurements; found: RegisterValues },
): VerifiedRegister[] {
  const prediction = predictionOf(platform);
  const { registers } =
    kind === "ccel"
      ? compareWithCcel(prediction, { log, registers: found.rtmr ?? {} })
      : compareWithLog(prediction, { log, registers: found.pcr });
  const open = new Set((platform.alternatives ?? []).map(({ register }) => register));
  return registers.map((comparison) => {
    const hasValue = comparison.comparedBanks.length > 0 && comparison.differingBanks.length === 0;
    // Of a register with several values the published events are those of one; the value decides.
    const settled = open.has(comparison.register) && hasValue;
    return explainDifference(
      settled ? { ...comparison, equal: true, firstDifference: undefined } : comparison,
      platform,
    );
  });
}
