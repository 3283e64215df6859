import { type HashAlgorithm, HASH_ALGORITHMS } from "@cvm-build/bytes";
import { describeEvent } from "./eventlog/dump.ts";
import { EV_NO_ACTION } from "./eventlog/format.ts";
import type { EventLog, LoggedEvent } from "./eventlog/reader.ts";
import { type CcMrIndex, rtmrOf } from "./eventlog/replay.ts";
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
  const { pcr: predicted } = prediction.registers;
  const pcrs = new Set(Object.values(predicted).flatMap((values) => Object.keys(values).map(Number)));
  const registers = [...pcrs]
    .sort((a, b) => a - b)
    .map((pcr) =>
      compareRegister(prediction, evidence.log, {
        register: pcrName(pcr),
        isLogged: ({ register }) => register === pcr,
        values: HASH_ALGORITHMS.map((bank) => ({
          bank,
          predicted: predicted[bank]?.[pcr],
          real: evidence.registers[bank]?.[pcr],
        })),
      }),
    );
  return { equal: registers.every(({ equal }) => equal), registers };
}

/**
 * Compares a prediction with a TD's RTMRs, and its events with the TD's log. Events of userspace are compared through the
 * registers alone.
 * @param evidence.log a CCEL
 * @param evidence.registers RTMRs by index, as read from the TD
 */
export function compareWithCcel(
  prediction: Prediction,
  evidence: { log: EventLog; registers: Readonly<Record<number, string>> },
): Comparison {
  const registers = Object.entries(prediction.registers.rtmr ?? {}).map(([index, predicted]) =>
    compareRegister(prediction, evidence.log, {
      register: `rtmr${Number(index)}`,
      isLogged: ({ register }) => rtmrOf(register as CcMrIndex) === Number(index),
      values: [{ bank: "sha384", predicted, real: evidence.registers[Number(index)] }],
    }),
  );
  return { equal: registers.every(({ equal }) => equal), registers };
}

/** A register as it is found on both sides. */
interface ComparedRegister {
  register: RegisterName;
  /** Whether an event of the log is of this register. */
  isLogged(event: LoggedEvent): boolean;
  values: { bank: HashAlgorithm; predicted: string | undefined; real: string | undefined }[];
}

function compareRegister(
  prediction: Prediction,
  log: EventLog,
  { register, isLogged, values }: ComparedRegister,
): RegisterComparison {
  const differingBanks: RegisterComparison["differingBanks"] = [];
  const comparedBanks: HashAlgorithm[] = [];
  for (const { bank, predicted, real } of values) {
    if (predicted === undefined || real === undefined) continue;
    comparedBanks.push(bank);
    if (predicted !== real) differingBanks.push({ bank, predicted, real });
  }
  const events = pairEvents(
    prediction.events.filter((event) => event.register === register),
    log.events.filter((event) => isLogged(event) && event.eventType !== EV_NO_ACTION),
  );
  const firstDifference = events.findIndex(({ equal }) => !equal);
  return {
    register,
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

/** Whether two events have the same digest in every bank that both have, and there is one. */
export function sameDigests(a: Pick<ComparedEvent, "digests">, b: Pick<ComparedEvent, "digests">): boolean {
  const banks = HASH_ALGORITHMS.filter((bank) => a.digests[bank] !== undefined && b.digests[bank] !== undefined);
  return banks.length > 0 && banks.every((bank) => a.digests[bank] === b.digests[bank]);
}
