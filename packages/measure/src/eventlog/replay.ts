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

/** The RTMR that a CCEL's register index stands for, or undefined for MRTD and what is beyond. */
export function rtmrOf(index: CcMrIndex): RtmrIndex | undefined {
  return index >= 1 && index <= 4 ? ((index - 1) as RtmrIndex) : undefined;
}

/**
 * Replays a TPM's event log. EV_NO_ACTION is not extended; one that tells a startup locality says where PCR 0 starts.
 * @returns value of each PCR that the log extends, in each bank that the log has
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
    log.algorithms.map((bank) => [
      bank,
      fold(log.events, bank, (register) => {
        const value = initialValue(bank);
        if (register === 0) value[value.length - 1] = locality;
        // Dynamic-launch registers start with all bits set. @see TCG PC Client Platform TPM Profile, "PCR Attributes"
        return register >= 17 && register <= 22 ? value.fill(0xff) : value;
      }),
    ]),
  );
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

function startupLocality(events: readonly LoggedEvent[]): number {
  const size = STARTUP_LOCALITY_SIGNATURE.length;
  const event = events.find(
    ({ eventType, register, data }) =>
      eventType === EV_NO_ACTION &&
      register === 0 &&
      data.length > size &&
      data.subarray(0, size).equals(STARTUP_LOCALITY_SIGNATURE),
  );
  return event?.data[size] ?? 0;
}
