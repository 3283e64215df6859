import type { MeasuredEvent } from "../event.ts";
import type { Unpredicted } from "../prediction.ts";
import { foldRtmr } from "./rtmr.ts";

/**
 * What the vTPM of GCE holds of a boot in a TD, from what a TPM would hold of it elsewhere: images that firmware loads and
 * the partition table go to PCR 2 in place of 4 and 5, since that is the number of the register of TDX that they are
 * measured to as well.
 */
export function gceVtpmEvents(events: readonly MeasuredEvent[]): MeasuredEvent[] {
  return events.map((event) => (isMovedOnGce(event) ? { ...event, register: "pcr2" } : event));
}

function isMovedOnGce({ register, type }: MeasuredEvent): boolean {
  return (
    (register === "pcr4" && type === "EV_EFI_BOOT_SERVICES_APPLICATION") ||
    (register === "pcr5" && type === "EV_EFI_GPT_EVENT")
  );
}

/**
 * The registers of a TD on Azure: Microsoft's paravisor is what MRTD is of, and measures what it starts into its vTPM
 * alone, so that no RTMR is ever extended.
 */
export function azureTdRegisters(): { rtmr: Record<number, string>; unpredicted: Unpredicted[] } {
  return {
    rtmr: Object.fromEntries([0, 1, 2, 3].map((index) => [index, foldRtmr([], index)])),
    unpredicted: [{ register: "mrtd", reason: "of Microsoft's paravisor, which is not published" }],
  };
}
