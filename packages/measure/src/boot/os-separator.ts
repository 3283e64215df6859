import type { Draft } from "../draft.ts";
import { type MeasuredEvent, pcrName } from "../event.ts";

/** What is extended. @see systemd-pcrosseparator.service(8) */
const WORD = "os-separator";
/** The registers in which it divides what was before the operating system from what is of it. */
const SEPARATED = [0, 1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 14] as const;

/** Adds what the initrd's systemd, of 261 and later, extends before anything is unlocked. */
export function addOsSeparator(draft: Draft): void {
  const source = { constant: "separator of the operating system" };
  const digest = Buffer.from(WORD, "latin1");
  for (const pcr of SEPARATED) draft.add({ pcr, type: undefined, label: WORD, source, digest });
}

/** The same event of another register, where a prediction has it. */
export function osSeparatorOf(events: readonly MeasuredEvent[], pcr: number): MeasuredEvent[] {
  const found = events.find(({ type, label }) => type === undefined && label === WORD);
  return found ? [{ ...found, register: pcrName(pcr) }] : [];
}
