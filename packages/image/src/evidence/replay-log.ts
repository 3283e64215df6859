import type { HashAlgorithm } from "@cvm-build/bytes";
import { describeEvent, type RegisterName, type RegisterValues } from "@cvm-build/measure";
import type { Surroundings } from "../surroundings.ts";
import { type LogChoice, type LogKind, openLog, registerOf, replayed } from "./log.ts";

/** An event of a log, as it is shown. */
export interface ShownEvent {
  /** Undefined where it is of no register. */
  register: RegisterName | undefined;
  type: string;
  digests: Partial<Record<HashAlgorithm, string>>;
  /** What the log says of it, which need not be true. */
  label: string;
}

/** A log, and where it leads. */
export interface ReplayReport {
  log: string;
  format: "sha1" | "crypto-agile";
  kind: LogKind;
  /** Bytes of the log; the rest of its area is unused. */
  usedBytes: number;
  registers: RegisterValues;
  events: ShownEvent[];
}

/** Replays an event log into the registers that it leads to. */
export function replayEventLog(choice: LogChoice, surroundings: Surroundings): ReplayReport {
  const opened = openLog(choice, surroundings);
  const { kind, log } = opened;
  return {
    log: choice.path,
    format: log.format,
    kind,
    usedBytes: log.usedBytes,
    registers: replayed(opened),
    events: log.events.map((event) => ({
      register: registerOf(event, kind),
      type: event.typeName,
      digests: event.digests,
      label: describeEvent(event),
    })),
  };
}
