import { expect, it } from "vitest";
import { azureTdRegisters } from "./azure-td.ts";

it("has no RTMR that anything extends on Azure", () => {
  const zero = "00".repeat(48);
  expect(azureTdRegisters().rtmr).toEqual({ 0: zero, 1: zero, 2: zero, 3: zero });
  expect(azureTdRegisters().unpredicted.map(({ register }) => register)).toEqual(["mrtd"]);
});
