import { FormatError, type HashAlgorithm } from "@cvm-build/bytes";
import { extend, initialValue, type PcrValues } from "../registers.ts";
import { EV_NO_ACTION, STARTUP_LOCALITY_SIGNATURE } from "./format.ts";
import type { EventLog, LoggedEvent } from "./reader.ts";

declare const brand: unique symbol;
/** Index of a measurement register in a CCEL: 0 is MRTD, 1 is RTMR 0. */
export type CcMrIndex = number & { readonly [brand]: "CcMrIndex" };
/** Index of a runtime measurement register of Intel TDX, 0..3. One less than its `CcMrIndex`. */
export type RtmrIndex = number & { readonly [brand]: "RtmrIndex" };

/** PCRs of a TPM for PCs. @see TCG PC Client Platform TPM Profile, "PCR Requirements" */
const TPM_PCRS = 24;

/** `CcMrIndex` of RTMR 0 and of RTMR 3. */
const RTMR_INDEXES = { first: 1, last: 4 } as const;

/** The RTMR that a CCEL's register index stands for, or undefined for MRTD and what is beyond. */
export function rtmrOf(index: CcMrIndex): RtmrIndex | undefined {
  const isRtmr = index >= RTMR_INDEXES.first && index <= RTMR_INDEXES.last;
  return isRtmr ? ((index - RTMR_INDEXES.first) as RtmrIndex) : undefined;
}

/**
 * Replays a TPM's event log. EV_NO_ACTION is not extended; one that tells a startup locality says where PCR 0 starts.
 * @returns value of each PCR that the log extends, and of PCR 0 where it tells its start, in each bank that the log has
 * @throws FormatError where the log extends a PCR that no TPM has
 * @see TCG PC Client Platform Firmware Profile, "EV_NO_ACTION Event Types"
 */
export function replayLog(log: EventLog): PcrValues {
  const beyond = log.events.find(({ register, eventType }) => register >= TPM_PCRS && eventType !== EV_NO_ACTION);
  if (beyond) {
    const place = { record: "event log", field: "register", offsetBytes: beyond.offsetBytes };
    throw new FormatError(place, `expected a PCR below ${TPM_PCRS}, got ${beyond.register}`);
  }
  const locality = startupLocality(log.events);
  return Object.fromEntries(
    log.algorithms.map((bank) => {
      const start = (register: number) => startValue(bank, { register, locality });
      const extended = fold(log.events, bank, start);
      return [bank, locality === undefined ? extended : { 0: start(0).toString("hex"), ...extended }];
    }),
  );
}

/**
 * What a PCR holds before anything is measured.
 * @param options.locality from which PCR 0 is started, 0 where the log does not tell
 * @see TCG PC Client Platform TPM Profile, "PCR Attributes"
 */
function startValue(bank: HashAlgorithm, options: { register: number; locality: number | undefined }): Buffer {
  const { register, locality = 0 } = options;
  const value = initialValue(bank);
  if (register === 0) value[value.length - 1] = locality;
  // Those of dynamic launch start with all bits set.
  return register >= 17 && register <= 22 ? value.fill(0xff) : value;
}

/**
 * Says whether a log is the CC event log of a TD. It has SHA-384 digests and no other, of RTMRs; a TPM's log has separators
 * of PCR 0 to 7.
 */
export function isCcel(log: EventLog): boolean {
  const extending = log.events.filter(({ eventType }) => eventType !== EV_NO_ACTION);
  const isOfRtmrs = extending.every(({ register }) => register <= RTMR_INDEXES.last);
  return log.algorithms.join() === "sha384" && extending.length > 0 && isOfRtmrs;
}

/**
 * Replays a CCEL.
 * @returns SHA-384 value of each RTMR that the log extends
 * @see Intel TDX Virtual Firmware Design Guide, "Event Log"
 */
export function replayCcel(log: EventLog): Partial<Record<RtmrIndex, string>> {
  const values = fold(log.events, "sha384", () => initialValue("sha384"));
  return Object.fromEntries(
    Object.entries(values).flatMap(([index, value]) => {
      const rtmr = rtmrOf(Number(index) as CcMrIndex);
      return rtmr === undefined ? [] : [[rtmr, value]];
    }),
  );
}

function fold(
  events: readonly LoggedEvent[],
  bank: HashAlgorithm,
  start: (register: number) => Buffer,
): Record<number, string> {
  const values = new Map<number, Buffer>();
  for (const { register, eventType, digests } of events) {
    const digest = digests[bank];
    if (eventType === EV_NO_ACTION || digest === undefined) continue;
    values.set(register, extend(bank, values.get(register) ?? start(register), Buffer.from(digest, "hex")));
  }
  return Object.fromEntries([...values].map(([register, value]) => [register, value.toString("hex")]));
}

/** The locality that the log tells, or undefined where it tells none. */
function startupLocality(events: readonly LoggedEvent[]): number | undefined {
  const size = STARTUP_LOCALITY_SIGNATURE.length;
  const event = events.find(
    ({ eventType, register, data }) =>
      eventType === EV_NO_ACTION &&
      register === 0 &&
      data.length > size &&
      data.subarray(0, size).equals(STARTUP_LOCALITY_SIGNATURE),
  );
  return event?.data[size];
}
