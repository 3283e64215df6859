import { createHash } from "node:crypto";
import { DIGEST_SIZE_BYTES, type HashAlgorithm } from "@cvm-build/bytes";
import type { MeasuredEvent } from "./event.ts";

/** Register values by bank and PCR index, lower-case hex. */
export type Registers = Partial<Record<HashAlgorithm, Record<number, string>>>;

/** What a PCR 0 to 15 holds before anything is measured. */
export function initialValue(bank: HashAlgorithm): Buffer {
  return Buffer.alloc(DIGEST_SIZE_BYTES[bank]);
}

/** The register's value after one more digest. @see TPM 2.0 Library, Part 1, "PCR Extend" */
export function extend(bank: HashAlgorithm, value: Uint8Array, digest: Uint8Array): Buffer {
  return createHash(bank).update(value).update(digest).digest();
}

/**
 * Folds events into register values: the one way in which a register gets a value here.
 * @param options.pcrs registers that are in the result even where no event extends them
 * @returns value of every register that an event extends, in each bank
 */
export function replay(
  events: readonly Pick<MeasuredEvent, "pcr" | "digests">[],
  options: { banks: readonly HashAlgorithm[]; pcrs?: readonly number[] },
): Registers {
  const registers: Registers = {};
  for (const bank of options.banks) {
    const values = new Map<number, Buffer>((options.pcrs ?? []).map((pcr) => [pcr, initialValue(bank)]));
    for (const { pcr, digests } of events) {
      const digest = digests[bank];
      if (digest === undefined) continue;
      values.set(pcr, extend(bank, values.get(pcr) ?? initialValue(bank), Buffer.from(digest, "hex")));
    }
    registers[bank] = Object.fromEntries([...values].map(([pcr, value]) => [pcr, value.toString("hex")]));
  }
  return registers;
}
