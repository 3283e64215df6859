import type { Unpredicted } from "../prediction.ts";
import { foldRtmr } from "./rtmr.ts";

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
