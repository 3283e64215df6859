import { readPcrValues, type RegisterValues } from "@cvm-build/measure";
import type { Measurements, PlatformMeasurements } from "../measurements.ts";
import type { Surroundings } from "../surroundings.ts";
import { compareLog } from "./compare-log.ts";
import type { VerifiedRegister } from "./event-difference.ts";
import { readInput } from "./input.ts";
import { agreeWithLog, type LogAgreement } from "./log-agreement.ts";
import { type LogChoice, type LogKind, openLog, type OpenLog, replayed } from "./log.ts";
import { atEndOfLog, settleAlternatives, withValues } from "./prediction-of-log.ts";
import { closestMachine, type PublishedChoice, readPublished } from "./published.ts";
import { bankValues, startOf } from "../register-values.ts";

/** A machine's log, and the prediction to hold it against. */
export interface VerifyLogRequest {
  log: LogChoice;
  published: PublishedChoice;
  /** A file of the machine's own PCR values. Without, the registers are those that the log leads to. */
  pcrs?: string;
}

/** Where a log and a prediction part. */
export interface LogVerification {
  log: string;
  kind: LogKind;
  image: Measurements["image"];
  platform: string;
  /** Whether all registers and events are the predicted ones, and the log is that of the machine's registers. */
  agrees: boolean;
  registers: VerifiedRegister[];
  /** Whether the log leads to the registers that the machine has; absent where these were not given. */
  agreement?: LogAgreement;
  unpredicted: PlatformMeasurements["unpredicted"];
}

/**
 * Holds a machine's event log against what was published for an image. A log alone is not to be believed: it is when it
 * leads to registers that the machine's hardware signed, which `verifyQuote` takes.
 */
export function verifyLog(request: VerifyLogRequest, surroundings: Surroundings): LogVerification {
  const opened = openLog(request.log, surroundings);
  const fits = ({ registers }: PlatformMeasurements) =>
    opened.kind === "ccel" ? registers.rtmr !== undefined : Object.keys(registers.pcr).length > 0;
  const published = readPublished(request.published, fits, surroundings);
  const found: RegisterValues | undefined =
    request.pcrs === undefined
      ? undefined
      : { pcr: readPcrValues(readInput(request.pcrs, "PCR values", surroundings)) };
  return closestMachine(published, (platform) => {
    const { registers, agreement } = found
      ? compareWithRegisters(opened, platform, found)
      : { registers: compareAlone(opened, platform), agreement: undefined };
    const report: LogVerification = {
      log: request.log.path,
      kind: opened.kind,
      image: published.image,
      platform: platform.name,
      agrees: registers.length > 0 && registers.every(({ equal }) => equal) && agreement?.agrees !== false,
      registers,
      ...(agreement && { agreement }),
      unpredicted: platform.unpredicted,
    };
    return { report, equalRegisters: registers.filter(({ equal }) => equal).length };
  });
}

/** Compares at the end of the log, before anything that userspace extends. */
function compareAlone(opened: OpenLog, published: PlatformMeasurements): VerifiedRegister[] {
  const byLog = replayed(opened);
  const platform = atEndOfLog(settleAlternatives(published, byLog));
  return compareLog(opened, { platform, found: withStarts(byLog, { opened, platform }) });
}

function compareWithRegisters(opened: OpenLog, published: PlatformMeasurements, found: RegisterValues) {
  const { agreement, log } = agreeWithLog(opened, found, published);
  return { registers: compareLog(log, { platform: settleAlternatives(published, found), found }), agreement };
}

/** What a log leads to, with the registers that it leaves as they start. */
function withStarts(
  byLog: RegisterValues,
  { opened, platform }: { opened: OpenLog; platform: PlatformMeasurements },
): RegisterValues {
  const starts = bankValues(platform.registers)
    .filter(({ register, bank }) => /^(?:pcr|rtmr)/.test(register) && opened.log.algorithms.includes(bank))
    .map((each) => ({ ...each, value: startOf(each.bank) }));
  return withValues({ pcr: {} }, [...starts, ...bankValues(byLog)]);
}
