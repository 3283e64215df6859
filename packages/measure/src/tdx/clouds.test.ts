import { describe, expect, it } from "vitest";
import type { MeasuredEvent, RegisterName } from "../event.ts";
import { azureTdRegisters, gceVtpmEvents } from "./clouds.ts";

const event = (register: RegisterName, type: string): MeasuredEvent => ({
  register,
  type,
  label: type,
  digests: {},
  source: {},
});

describe("gceVtpmEvents", () => {
  it("moves images and the partition table to PCR 2, as dstack's log of a TD on GCE has them", () => {
    const events = [
      event("pcr7", "EV_EFI_VARIABLE_DRIVER_CONFIG"),
      event("pcr4", "EV_EFI_ACTION"),
      event("pcr2", "EV_SEPARATOR"),
      event("pcr5", "EV_EFI_GPT_EVENT"),
      event("pcr4", "EV_EFI_BOOT_SERVICES_APPLICATION"),
      event("pcr11", "EV_IPL"),
      event("pcr5", "EV_EFI_ACTION"),
    ];
    const moved = gceVtpmEvents(events);
    expect(moved.map(({ register }) => register)).toEqual(["pcr7", "pcr4", "pcr2", "pcr2", "pcr2", "pcr11", "pcr5"]);
    expect(moved.map(({ type }) => type)).toEqual(events.map(({ type }) => type));
  });
});

describe("azureTdRegisters", () => {
  it("has no RTMR that anything extends", () => {
    const zero = "00".repeat(48);
    expect(azureTdRegisters().rtmr).toEqual({ 0: zero, 1: zero, 2: zero, 3: zero });
    expect(azureTdRegisters().unpredicted.map(({ register }) => register)).toEqual(["mrtd"]);
  });
});
