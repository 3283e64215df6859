import { digest, type HashAlgorithm } from "@cvm-build/bytes";
import type { MeasuredEvent } from "../event.ts";
import type { Alternative } from "../prediction.ts";
import { replay } from "../registers.ts";
import type { Boot } from "./boot.ts";
import { ACTIONS } from "./actions.ts";
import { isAtLeast } from "./version.ts";

/** The last release that was seen to leave boot services at the first attempt in every boot. */
const LAST_WITHOUT_RETRY = "2025.02";

/**
 * Whether the kernel may have to leave boot services twice. With newer firmware it does after a boot from disk, on some
 * machines.
 */
export function retriesExit({ path, firmware }: Boot): boolean {
  if (path.kind === "kernel-uki" || path.kind === "kernel-bzimage") return false;
  const release = firmware?.release;
  return release === undefined || !isAtLeast(LAST_WITHOUT_RETRY, release);
}

/** PCR 5 without and with an attempt to leave boot services that failed. */
export function exitAlternatives(events: readonly MeasuredEvent[], banks: readonly HashAlgorithm[]): Alternative {
  const own = events.filter(({ register }) => register === "pcr5");
  const action = (text: string): Pick<MeasuredEvent, "register" | "digests"> => ({
    register: "pcr5",
    digests: Object.fromEntries(banks.map((bank) => [bank, digest(bank, Buffer.from(text, "latin1")).toString("hex")])),
  });
  const success = own.findIndex(({ label }) => label === ACTIONS.exitSucceeded);
  const again = [ACTIONS.exitFailed, ACTIONS.exit].map(action);
  const retried = [...own.slice(0, success), ...again, ...own.slice(success)];
  const values = [own, retried].map((list) => {
    const registers = replay(list, { banks });
    return Object.fromEntries(banks.map((bank) => [bank, registers[bank]?.[5]]));
  }) as Alternative["values"];
  const reason = `OVMF after ${LAST_WITHOUT_RETRY} may fail to leave boot services once before it succeeds`;
  return { register: "pcr5", values, reason };
}
