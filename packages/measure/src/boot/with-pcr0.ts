import type { HashAlgorithm } from "@cvm-build/bytes";
import type { MeasuredEvent } from "../event.ts";
import type { Pcr0Prediction } from "../pcr0.ts";
import type { Prediction } from "../prediction.ts";
import { replay } from "../registers.ts";
import { osSeparatorOf } from "./os-separator.ts";

/**
 * A boot's prediction with PCR 0, which is the firmware's alone: it depends on the machine where nothing else of the boot
 * does, so that boots which differ in machines share the rest.
 * @param pcr0 of the same machine, in the same banks
 */
export function withPcr0(prediction: Prediction, pcr0: Pcr0Prediction): Prediction {
  const others = prediction.unpredicted.filter(({ register }) => register !== "pcr0");
  if (pcr0.unpredicted !== undefined) {
    const { unpredicted: reason } = pcr0;
    return { ...prediction, unpredicted: [{ register: "pcr0", reason }, ...others] };
  }
  const banks = Object.keys(prediction.registers.pcr) as HashAlgorithm[];
  const userspace = osSeparatorOf(prediction.events, 0);
  const values = replay([...pcr0.events, ...userspace], { banks, pcrs: [0] });
  const pcr = Object.fromEntries(
    banks.map((bank) => [bank, { ...values[bank], ...prediction.registers.pcr[bank] }]),
  ) as Prediction["registers"]["pcr"];
  return {
    ...prediction,
    events: [...inOrder(prediction.events, pcr0.events), ...userspace],
    registers: { ...prediction.registers, pcr },
    unpredicted: others,
  };
}

/** Firmware measures itself first, and draws the line in PCR 0 when it does in others, before those of higher numbers. */
function inOrder(events: readonly MeasuredEvent[], own: readonly MeasuredEvent[]): MeasuredEvent[] {
  const isLine = ({ type }: MeasuredEvent) => type === "EV_SEPARATOR";
  const first = events.findIndex((event) => isLine(event) && event.register !== "pcr7");
  const line = first < 0 ? events.length : first;
  const start = own.filter((event) => !isLine(event));
  return [...start, ...events.slice(0, line), ...own.filter(isLine), ...events.slice(line)];
}
