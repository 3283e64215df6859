import type { HashAlgorithm } from "@cvm-build/bytes";
import { type ComparedEvent, type EventSource, type RegisterComparison, sameDigests } from "@cvm-build/measure";
import type { PlatformMeasurements } from "../measurements.ts";
import { isLogged } from "./prediction-of-log.ts";

/** A register held against a log, with what the first differing event is about. */
export interface VerifiedRegister extends RegisterComparison {
  difference?: EventDifference;
  /** The phases after which the register would have the value that was found, where it would. */
  reachedPhase?: string;
}

/** Where a log leaves the prediction. */
export interface EventDifference {
  /** Among the register's events. */
  index: number;
  /** The machine measured something else, left one out, or measured one that was not predicted. */
  kind: "changed" | "missing" | "extra";
  predicted?: ComparedEvent & { source: EventSource };
  real?: ComparedEvent;
}

/** Adds to a comparison what a person asks next: which event, of which file, package or setting, and how far it came. */
export function explainDifference(comparison: RegisterComparison, platform: PlatformMeasurements): VerifiedRegister {
  const reachedPhase = comparison.differingBanks
    .map(({ bank, real }) => (comparison.register === "pcr11" ? phaseOf(platform, { bank, value: real }) : undefined))
    .find((path) => path !== undefined);
  return {
    ...comparison,
    ...(comparison.firstDifference !== undefined && {
      difference: differenceAt(comparison, comparison.firstDifference, platform),
    }),
    ...(reachedPhase !== undefined && { reachedPhase }),
  };
}

/** The phase path after which PCR 11 has a value, or undefined where there is none. */
export function phaseOf(
  { phases }: PlatformMeasurements,
  { bank, value }: { bank: HashAlgorithm; value: string },
): string | undefined {
  return Object.entries(phases[bank] ?? {}).find(([, reached]) => reached === value)?.[0];
}

function differenceAt(
  { register, events }: RegisterComparison,
  index: number,
  platform: PlatformMeasurements,
): EventDifference {
  const { predicted, real } = events[index] ?? {};
  const next = events[index + 1];
  const source = platform.events.filter((event) => event.register === register && isLogged(event))[index]?.source ?? {};
  const isMissing = !real || (next?.predicted !== undefined && sameDigests(next.predicted, real));
  const isExtra = !predicted || (next?.real !== undefined && sameDigests(predicted, next.real));
  return {
    index,
    kind: isMissing === isExtra ? "changed" : isMissing ? "missing" : "extra",
    ...(predicted && { predicted: { ...predicted, source } }),
    ...(real && { real }),
  };
}
