import { isAtLeast } from "../boot/version.ts";
import { type MeasuredEvent, pcrOf } from "../event.ts";

/** Versions of what measures, as far as an image has it: `257.13`, `6.12`. */
export interface CcSoftware {
  systemdStub?: string;
  /** Default: that of `systemdStub`. */
  systemdBoot?: string;
  linux?: string;
  grub?: string;
  shim?: string;
}

/** Programs beside the firmware that measure, each with the key of its version. */
const PROGRAMS = {
  systemdStub: "systemd-stub",
  systemdBoot: "systemd-boot",
  linux: "Linux",
  grub: "GRUB",
  shim: "shim",
} as const satisfies Record<keyof CcSoftware, string>;
type Program = keyof typeof PROGRAMS;

/** First versions that measure into RTMRs what they measure into a TPM. */
const MEASURES_SINCE: Record<Program, string> = {
  systemdStub: "256",
  systemdBoot: "256",
  linux: "6.9",
  grub: "2.12",
  shim: "15.7",
};
/** First systemd that does so with tagged events; those before log some of theirs for a TPM alone. */
const SYSTEMD_TAGS_SINCE = "261";
/** First systemd that does so with SMBIOS where there is no TPM. */
const SYSTEMD_SMBIOS_SINCE = "262";

/** Who extends a PCR, with tagged events and with others; `undefined` for what only userspace and the kernel extend. */
type PcrUse = { tagged: Program | "firmware"; other: Program | "firmware" } | undefined;

const FIRMWARE: PcrUse = { tagged: "firmware", other: "firmware" };
const STUB: PcrUse = { tagged: "systemdStub", other: "systemdStub" };
const PCR_USES: readonly PcrUse[] = [
  FIRMWARE,
  { tagged: "systemdStub", other: "firmware" },
  FIRMWARE,
  FIRMWARE,
  FIRMWARE,
  { tagged: "systemdBoot", other: "firmware" },
  FIRMWARE,
  FIRMWARE,
  { tagged: "grub", other: "grub" },
  { tagged: "linux", other: "grub" },
  undefined,
  STUB,
  STUB,
  STUB,
  { tagged: "shim", other: "shim" },
  undefined,
];

/** Whether an event of a TPM is one of an RTMR too, and what that depends on where it is not known. */
export type CcVerdict = { isMeasured: boolean } | { doubt: string };

/**
 * Says whether what extends a PCR in a boot extends the RTMR that stands for it, too.
 * @param options.hasTpm whether the machine has a TPM beside: Linux measures into it instead
 */
export function isMeasuredToCc(
  event: Pick<MeasuredEvent, "register" | "type" | "label">,
  options: { software: CcSoftware; hasTpm: boolean },
): CcVerdict {
  const { type, label } = event;
  const pcr = pcrOf(event.register);
  const use = pcr === undefined ? undefined : PCR_USES[pcr];
  // Nothing of userspace: systemd up to 262 extends no RTMR at run time.
  if (type === undefined || use === undefined) return { isMeasured: false };
  const isTagged = type === "EV_EVENT_TAG";
  const isOfShim = pcr === 7 && type === "EV_EFI_VARIABLE_AUTHORITY" && label !== "db";
  const program = isOfShim ? "shim" : isTagged ? use.tagged : use.other;
  return program === "firmware" ? { isMeasured: true } : programMeasures(program, { isTagged, pcr, ...options });
}

function programMeasures(
  program: Program,
  event: { isTagged: boolean; pcr: number | undefined; software: CcSoftware; hasTpm: boolean },
): CcVerdict {
  const { isTagged, pcr, software, hasTpm } = event;
  if (program === "linux" && hasTpm) return { isMeasured: false };
  const isOfSystemd = program === "systemdStub" || program === "systemdBoot";
  const version = program === "systemdBoot" ? (software.systemdBoot ?? software.systemdStub) : software[program];
  if (version === undefined) {
    return { doubt: `whether ${PROGRAMS[program]} measures into RTMRs depends on its version` };
  }
  const tagsSince = pcr === 1 && !hasTpm ? SYSTEMD_SMBIOS_SINCE : SYSTEMD_TAGS_SINCE;
  return { isMeasured: isAtLeast(version, isOfSystemd && isTagged ? tagsSince : MEASURES_SINCE[program]) };
}

/** Whether a PCR that a boot leaves open could matter to an RTMR: whether anything that extends it measures into RTMRs. */
export function mattersToCc(pcr: number, options: { software: CcSoftware; hasTpm: boolean }): boolean {
  const types = ["EV_EVENT_TAG", "EV_IPL"] as const;
  return types.some((type) => {
    const { tagged, other } = PCR_USES[pcr] ?? {};
    const program = type === "EV_EVENT_TAG" ? tagged : other;
    if (program === undefined) return false;
    // Where GRUB is, PCR 8 tells.
    if (program === "grub" && pcr === 9 && options.software.grub === undefined) return false;
    const verdict = isMeasuredToCc({ register: `pcr${pcr}`, type, label: "" }, options);
    return "doubt" in verdict || verdict.isMeasured;
  });
}
