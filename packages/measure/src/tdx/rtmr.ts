import { assert, digest } from "@cvm-build/bytes";
import { type MeasuredEvent, pcrOf } from "../event.ts";
import type { Alternative, Prediction, Unpredicted } from "../prediction.ts";
import { extend, initialValue } from "../registers.ts";
import type { TdEnvironment } from "./environment.ts";
import { type CcSoftware, isMeasuredToCc, mattersToCc } from "./measurers.ts";
import { rtmrEvent } from "./rtmr-event.ts";
import {
  acpiEvents,
  earlyEvents,
  handOverEvents,
  offersMeasurement,
  type TdFirmware,
  type TdMachine,
} from "./td-firmware.ts";

/** A TD, as far as its RTMRs depend on it. */
export interface TdBoot {
  firmware: TdFirmware;
  machine: TdMachine;
  software: CcSoftware;
  environment: TdEnvironment;
  /** Whether the machine has a TPM beside. Default: none. */
  hasTpm?: boolean;
}

/** RTMRs with their events. */
export interface RtmrPrediction {
  /** In the order in which they are measured. Events of RTMR 0 that are the host's and not known have no digest. */
  events: MeasuredEvent[];
  /** SHA-384, by index. */
  rtmr: Record<number, string>;
  unpredicted: Unpredicted[];
  alternatives: Alternative[];
}

/** @see UEFI Specification 2.10, 38.4.1, "vendor specific information: Intel Trust Domain Extensions" */
const RTMR_OF_PCR: readonly (number | undefined)[] = [undefined, 0, 1, 1, 1, 1, 1, 0, 2, 2, 2, 2, 2, 2, 2, 2];
const RTMRS = [0, 1, 2, 3] as const;

const EXIT = "Exit Boot Services Invocation";
const EXIT_FAILED = "Exit Boot Services Returned with Failure";
const CALLING = "Calling EFI Application from Boot Option";

/**
 * Predicts the RTMRs of a TD from what a TPM would hold after the same boot, and from what firmware for TDX adds.
 * @param boot a prediction of PCRs that has SHA-384
 * @throws FormatError where the firmware is not for TDX; CvmError `platform`
 * @see Intel TDX Virtual Firmware Design Guide, "Measurement Register Usage in TD"; EDK2, OvmfPkg/Tcg/TdTcg2Dxe
 */
export function predictRtmrs(
  boot: Pick<Prediction, "events" | "unpredicted" | "alternatives">,
  td: TdBoot,
): RtmrPrediction {
  const log = new CcLog(td);
  log.addFirmwareStart(boot.events);
  if (offersMeasurement(td.firmware)) {
    for (const event of boot.events) log.add(event);
    log.end();
    log.leaveOpen(boot.unpredicted);
  }
  return log.fold(boot.alternatives ?? []);
}

/** A CCEL in the making: events of all RTMRs in the order of time. */
class CcLog {
  readonly #td: TdBoot;
  readonly #options: { software: CcSoftware; hasTpm: boolean };
  readonly #events: MeasuredEvent[] = [];
  readonly #reasons = new Map<string, string>();
  #hasHandedOver = false;
  #hasStubStarted = false;

  constructor(td: TdBoot) {
    this.#td = td;
    this.#options = { software: td.software, hasTpm: td.hasTpm ?? false };
  }

  /** What firmware measures up to the point at which it may start something. */
  addFirmwareStart(events: readonly MeasuredEvent[]): void {
    const { firmware, machine, environment } = this.#td;
    this.#push(earlyEvents(firmware, machine, environment));
    if (!offersMeasurement(firmware)) return;
    // TdTcg2Dxe knows no dbr.
    const policy = events.filter((event) => isSecureBootPolicy(event) && event.label !== "dbr");
    this.#push({ events: policy.map((event) => rtmrEvent(0, event, sha384Of(event.digests))), missing: [] });
    this.#push(acpiEvents(firmware, environment));
  }

  /** An event of a TPM, in the order of time. */
  add(event: MeasuredEvent): void {
    const pcr = pcrOf(event.register);
    if (pcr === undefined || isSecureBootPolicy(event)) return;
    const isLine = event.type === "EV_SEPARATOR";
    if (!this.#hasHandedOver && (isLine || event.label === CALLING)) {
      this.#handOver();
      return;
    }
    // TdTcg2Dxe draws one line, where a TPM has one for each PCR.
    const rtmr = RTMR_OF_PCR[pcr];
    if (isLine || rtmr === undefined) return;
    if (pcr >= 11 && pcr <= 13) this.#startStub();
    const verdict = isMeasuredToCc(event, this.#options);
    if ("doubt" in verdict) this.#leave(`rtmr${rtmr}`, verdict.doubt);
    else if (verdict.isMeasured) this.#events.push(rtmrEvent(rtmr, event, sha384Of(event.digests)));
  }

  /** Adds what a log leaves out of which the events are not known. */
  end(): void {
    if (this.#hasHandedOver) return;
    const isSecure = this.#events.some(({ type }) => type === "EV_EFI_VARIABLE_AUTHORITY");
    this.#handOver();
    if (isSecure) this.#leave("rtmr0", "what is started before the firmware hands over is not known");
  }

  /** Leaves open what depends on PCRs that are open. */
  leaveOpen(unpredicted: readonly Unpredicted[]): void {
    for (const { register, reason } of unpredicted) {
      const pcr = pcrOf(register);
      const rtmr = pcr === undefined ? undefined : RTMR_OF_PCR[pcr];
      // PCR 1 is what `environment` and firmware stand for.
      if (pcr === undefined || rtmr === undefined || pcr === 1 || !mattersToCc(pcr, this.#options)) continue;
      this.#leave(`rtmr${rtmr}`, reason);
    }
  }

  fold(alternatives: readonly Alternative[]): RtmrPrediction {
    const isComplete = (index: number) => !this.#reasons.has(`rtmr${index}`);
    const exit = alternatives.find(({ register }) => register === "pcr5");
    const values = RTMRS.filter(isComplete).map((index) => [index, foldRtmr(this.#events, index)] as const);
    const isOpen = exit !== undefined && isComplete(1) && offersMeasurement(this.#td.firmware);
    const settled = values.filter(([index]) => !(isOpen && index === 1));
    return {
      // Where some events of an RTMR are not known and not even counted, the others say nothing.
      events: this.#events.filter(({ register }) => register === "rtmr0" || !this.#reasons.has(register)),
      rtmr: Object.fromEntries(settled),
      unpredicted: [...this.#reasons].map(([register, reason]) => ({ register, reason })),
      alternatives: isOpen ? [withFailedExit(this.#events, exit.reason)] : [],
    };
  }

  #handOver(): void {
    this.#hasHandedOver = true;
    this.#push(handOverEvents(this.#td.firmware, this.#td.environment));
  }

  /** systemd-stub measures SMBIOS before all else. */
  #startStub(): void {
    if (this.#hasStubStarted) return;
    this.#hasStubStarted = true;
    const event = { type: "EV_EVENT_TAG", label: "SMBIOS", source: { setting: "environment" } };
    const verdict = isMeasuredToCc({ register: "pcr1", ...event }, this.#options);
    if ("doubt" in verdict) this.#leave("rtmr0", verdict.doubt);
    else if (verdict.isMeasured) {
      const tags = this.#td.environment.smbiosOfStub;
      for (const tag of tags ?? [undefined]) this.#events.push(rtmrEvent(0, event, tag));
      if (!tags) this.#leave("rtmr0", "SMBIOS table, of which systemd-stub measures parts, from the host");
    }
  }

  #push({ events, missing }: { events: readonly MeasuredEvent[]; missing: readonly Unpredicted[] }): void {
    this.#events.push(...events);
    for (const { register, reason } of missing) this.#leave(register, reason);
  }

  #leave(register: string, reason: string): void {
    const known = this.#reasons.get(register);
    if (known === undefined) this.#reasons.set(register, reason);
    else if (!known.split("; ").includes(reason)) this.#reasons.set(register, `${known}; ${reason}`);
  }
}

/** PCR 7 up to its separator: what firmware measures before it starts anything. */
function isSecureBootPolicy({ register, type }: MeasuredEvent): boolean {
  return register === "pcr7" && (type === "EV_EFI_VARIABLE_DRIVER_CONFIG" || type === "EV_SEPARATOR");
}

function sha384Of({ sha384 }: MeasuredEvent["digests"]): { sha384: string } {
  assert(sha384 !== undefined, "RTMRs are predicted from a prediction that has SHA-384");
  return { sha384 };
}

/** The value of an RTMR after its events. @see Intel TDX Module Base Architecture Specification, "RTMR" */
export function foldRtmr(events: readonly Pick<MeasuredEvent, "register" | "digests">[], index: number): string {
  let value = initialValue("sha384");
  for (const { register, digests } of events) {
    if (register !== `rtmr${index}` || digests.sha384 === undefined) continue;
    value = extend("sha384", value, Buffer.from(digests.sha384, "hex"));
  }
  return value.toString("hex");
}

/** RTMR 1 without and with an attempt to leave boot services that failed. */
function withFailedExit(events: readonly MeasuredEvent[], reason: string): Alternative {
  const text = (label: string): Pick<MeasuredEvent, "register" | "digests"> => ({
    register: "rtmr1",
    digests: { sha384: digest("sha384", Buffer.from(label, "latin1")).toString("hex") },
  });
  const index = events.findLastIndex(({ register, label }) => register === "rtmr1" && label === EXIT);
  const retried = [...events.slice(0, index), ...[EXIT, EXIT_FAILED].map(text), ...events.slice(index)];
  const values = [events, retried].map((list) => ({ sha384: foldRtmr(list, 1) }));
  return { register: "rtmr1", values, reason };
}
