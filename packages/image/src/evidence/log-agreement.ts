import type { HashAlgorithm } from "@cvm-build/bytes";
import { type RegisterName, type RegisterValues, withoutRepeats } from "@cvm-build/measure";
import type { PlatformMeasurements } from "../measurements.ts";
import { type OpenLog, replayed } from "./log.ts";
import { userspaceDigests } from "./prediction-of-log.ts";
import { bankValues, extended, valueOf } from "../register-values.ts";

/** Whether a log tells of the registers that were found. */
export interface LogAgreement {
  agrees: boolean;
  /** Registers that both have. */
  registers: ReplayedRegister[];
  /** Registers that hold something of which the log tells nothing. */
  unlogged: RegisterName[];
  /** Events that were left out because the log holds them twice, and the registers once. */
  repeatedEvents: number;
}

/** A register by the log, and as it was found. */
export interface ReplayedRegister {
  register: RegisterName;
  bank: HashAlgorithm;
  /** After the log, and after what userspace was predicted to extend as far as that leads to `found`. */
  replayed: string;
  found: string;
  equal: boolean;
}

/**
 * Replays a log against registers. What userspace extends after it is taken from what was published: any beginning of it
 * may have happened.
 * @returns the agreement, and the log without events that it holds twice
 */
export function agreeWithLog(
  opened: OpenLog,
  found: RegisterValues,
  platform: PlatformMeasurements,
): { agreement: LogAgreement; log: OpenLog } {
  const whole = compareReplay(opened, found, platform);
  if (whole.agrees) return { agreement: { ...whole, repeatedEvents: 0 }, log: opened };
  const isRight = (log: OpenLog["log"]) => compareReplay({ ...opened, log }, found, platform).agrees;
  const shorter = withoutRepeats(opened.log, isRight);
  if (shorter === undefined) return { agreement: { ...whole, repeatedEvents: 0 }, log: opened };
  const log = { ...opened, log: shorter };
  const repeatedEvents = opened.log.events.length - shorter.events.length;
  return { agreement: { ...compareReplay(log, found, platform), repeatedEvents }, log };
}

function compareReplay(
  opened: OpenLog,
  found: RegisterValues,
  platform: PlatformMeasurements,
): Omit<LogAgreement, "repeatedEvents"> {
  const logged = replayed(opened);
  const registers: ReplayedRegister[] = [];
  const unlogged = new Set<RegisterName>();
  for (const { register, bank, value } of bankValues(found)) {
    const isOfKind = register.startsWith(opened.kind === "ccel" ? "rtmr" : "pcr");
    const byLog = valueOf(logged, { register, bank });
    if (byLog !== undefined) {
      const steps = userspaceDigests(platform, { register, bank });
      const beginnings = [byLog, ...steps.map((_, index) => extended(byLog, bank, steps.slice(0, index + 1)))];
      const reached = beginnings.includes(value) ? value : byLog;
      registers.push({ register, bank, replayed: reached, found: value, equal: reached === value });
    } else if (isOfKind && !isUntouched(value)) unlogged.add(register);
  }
  return {
    agrees: registers.length > 0 && registers.every(({ equal }) => equal),
    registers,
    unlogged: [...unlogged],
  };
}

/** Registers start with all bits clear, those of dynamic launch with all set. */
function isUntouched(value: string): boolean {
  return /^(?:0+|f+)$/.test(value);
}
