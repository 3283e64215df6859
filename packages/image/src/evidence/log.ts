import {
  type EventLog,
  isCcel,
  readEventLog,
  type RegisterName,
  type RegisterValues,
  replayCcel,
  replayLog,
  rtmrOf,
} from "@cvm-build/measure";
import type { CcMrIndex, LoggedEvent } from "@cvm-build/measure";
import type { Surroundings } from "../surroundings.ts";
import { readInput } from "./input.ts";

/** Whose log it is: a TPM's, of PCRs, or a TD's, of RTMRs. */
export type LogKind = "tpm" | "ccel";

/** An event log that was read. */
export interface OpenLog {
  kind: LogKind;
  log: EventLog;
}

/** A log to read. */
export interface LogChoice {
  path: string;
  /** What it is. Told from its content where undefined. */
  kind?: LogKind;
}

/**
 * Reads an event log.
 * @throws CvmError `no-file`; FormatError
 */
export function openLog({ path, kind }: LogChoice, surroundings: Surroundings): OpenLog {
  const log = readEventLog(readInput(path, "event log", surroundings));
  return { kind: kind ?? (isCcel(log) ? "ccel" : "tpm"), log };
}

/** The registers that a log leads to. */
export function replayed({ kind, log }: OpenLog): RegisterValues {
  return kind === "ccel"
    ? { pcr: {}, rtmr: { ...replayCcel(log) } as Record<number, string> }
    : { pcr: replayLog(log) };
}

/** The published name of an event's register, or undefined for one that is not published. */
export function registerOf({ register }: LoggedEvent, kind: LogKind): RegisterName | undefined {
  if (kind === "tpm") return register < 24 ? `pcr${register}` : undefined;
  const rtmr = rtmrOf(register as CcMrIndex);
  return register === 0 ? "mrtd" : rtmr === undefined ? undefined : `rtmr${rtmr}`;
}
