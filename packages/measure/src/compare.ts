import { type HashAlgorithm, HASH_ALGORITHMS } from "@cvm-build/bytes";
import { describeEvent } from "./eventlog/dump.ts";
import { EV_NO_ACTION } from "./eventlog/format.ts";
import type { EventLog, LoggedEvent } from "./eventlog/reader.ts";
import { type MeasuredEvent, pcrName, type RegisterName } from "./event.ts";
import type { Prediction } from "./prediction.ts";
import type { PcrValues } from "./registers.ts";

/** What is compared of an event, predicted or real. */
export interface ComparedEvent {
  type: string | undefined;
  label: string;
  digests: Partial<Record<HashAlgorithm, string>>;
}

/** One register: its values where it was predicted and read, and where the logs first part. */
export interface RegisterComparison {
  register: RegisterName;
  equal: boolean;
  /** Banks in which the values differ; a bank that was not read is not compared. */
  differingBanks: { bank: HashAlgorithm; predicted: string; real: string }[];
  /** Banks that were predicted and read. */
  comparedBanks: HashAlgorithm[];
  /** Predicted and real events of this register, side by side, as far as both go. */
  events: { predicted: ComparedEvent | undefined; real: ComparedEvent | undefined; equal: boolean }[];
  /** Index in `events` of the first that differ; undefined where none do. */
  firstDifference: number | undefined;
}

/** A prediction beside what a machine reported. */
export interface Comparison {
  equal: boolean;
  registers: RegisterComparison[];
}

/**
 * Compares a prediction with a machine's registers, and its events with the machine's log. Events of userspace, which no
 * firmware log holds, are compared through the registers alone.
 * @param evidence.registers as read from the TPM at the point of the boot that the prediction describes
 */
export function compareWithLog(prediction: Prediction, evidence: { log: EventLog; registers: PcrValues }): Comparison {
  const pcrs = new Set(Object.values(prediction.registers.pcr).flatMap((values) => Object.keys(values).map(Number)));
  const registers = [...pcrs].sort((a, b) => a - b).map((pcr) => compareRegister(pcr, prediction, evidence));
  return { equal: registers.every(({ equal }) => equal), registers };
}

function compareRegister(
  pcr: number,
  prediction: Prediction,
  { log, registers }: { log: EventLog; registers: PcrValues },
): RegisterComparison {
  const differingBanks: RegisterComparison["differingBanks"] = [];
  const comparedBanks: HashAlgorithm[] = [];
  for (const bank of HASH_ALGORITHMS) {
    const predicted = prediction.registers.pcr[bank]?.[pcr];
    const real = registers[bank]?.[pcr];
    if (predicted === undefined || real === undefined) continue;
    comparedBanks.push(bank);
    if (predicted !== real) differingBanks.push({ bank, predicted, real });
  }
  const events = pairEvents(
    prediction.events.filter((event) => event.register === pcrName(pcr)),
    log.events.filter((event) => event.register === pcr && event.eventType !== EV_NO_ACTION),
  );
  const firstDifference = events.findIndex(({ equal }) => !equal);
  return {
    register: pcrName(pcr),
    equal: comparedBanks.length > 0 && differingBanks.length === 0 && firstDifference < 0,
    differingBanks,
    comparedBanks,
    events,
    firstDifference: firstDifference < 0 ? undefined : firstDifference,
  };
}

function pairEvents(predicted: readonly MeasuredEvent[], real: readonly LoggedEvent[]): RegisterComparison["events"] {
  const logged = predicted.filter((event) => event.type !== undefined);
  return Array.from({ length: Math.max(logged.length, real.length) }, (_, index) => {
    const ours = logged[index];
    const theirs = real[index];
    return {
      predicted: ours && { type: ours.type, label: ours.label, digests: ours.digests },
      real: theirs && { type: theirs.typeName, label: describeEvent(theirs), digests: theirs.digests },
      equal: ours !== undefined && theirs !== undefined && ours.type === theirs.typeName && sameDigests(ours, theirs),
    };
  });
}

/** Equal in every bank that both have, and there is one. */
function sameDigests(a: Pick<ComparedEvent, "digests">, b: Pick<ComparedEvent, "digests">): boolean {
  const banks = HASH_ALGORITHMS.filter((bank) => a.digests[bank] !== undefined && b.digests[bank] !== undefined);
  return banks.length > 0 && banks.every((bank) => a.digests[bank] === b.digests[bank]);
}
