import type { MeasuredEvent } from "../event.ts";
import type { Alternative, Prediction, Unpredicted } from "../prediction.ts";
import type { RegisterValues } from "../registers.ts";
import { type MrtdPasses, predictMrtd } from "./mrtd.ts";
import { predictRtmrs, type TdBoot } from "./rtmr.ts";
import { type TdOwnerValues, tdOwnerValues } from "./td-owner.ts";

/** What a TD's quote will say. */
export interface TdPrediction {
  /** Of MRTD, then of RTMRs in the order in which they are measured. */
  events: MeasuredEvent[];
  registers: Pick<RegisterValues, "mrtd" | "rtmr">;
  unpredicted: Unpredicted[];
  alternatives: Alternative[];
  owner: TdOwnerValues;
}

/**
 * Predicts the registers of a TD that OVMF starts, from a prediction of the PCRs of the same boot.
 * @param boot with SHA-384 among its banks
 * @param td.passes how the VMM adds the firmware's pages
 * @param td.owner what the VMM is told to have the TD's quotes repeat
 * @throws FormatError where the firmware is not for TDX; CvmError `platform`
 */
export function predictTd(
  boot: Pick<Prediction, "events" | "unpredicted" | "alternatives">,
  td: TdBoot & { passes: MrtdPasses; owner?: Partial<TdOwnerValues> },
): TdPrediction {
  const { mrtd, events } = predictMrtd(td.firmware.file, td);
  const rtmrs = predictRtmrs(boot, td);
  return {
    events: [...events, ...rtmrs.events],
    registers: { mrtd, rtmr: rtmrs.rtmr },
    unpredicted: rtmrs.unpredicted,
    alternatives: rtmrs.alternatives,
    owner: tdOwnerValues(td.owner ?? {}),
  };
}
