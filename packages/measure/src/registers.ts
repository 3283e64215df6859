import { createHash } from "node:crypto";
import { DIGEST_SIZE_BYTES, type HashAlgorithm } from "@cvm-build/bytes";
import { type MeasuredEvent, pcrOf } from "./event.ts";

/** PCR values by bank and index, lower-case hex. */
export type PcrValues = Partial<Record<HashAlgorithm, Record<number, string>>>;

/** Values of all kinds of registers, lower-case hex. Those that a platform does not have are absent. */
export interface RegisterValues {
  pcr: PcrValues;
  /** SHA-384. */
  mrtd?: string;
  /** SHA-384, by index 0..3. */
  rtmr?: Record<number, string>;
  /** SHA-384 for SEV-SNP, SHA-256 for SEV and SEV-ES. */
  launchDigest?: string;
}

/** What a PCR 0 to 15 holds before anything is measured. */
export function initialValue(bank: HashAlgorithm): Buffer {
  return Buffer.alloc(DIGEST_SIZE_BYTES[bank]);
}

/** The register's value after one more digest. @see TPM 2.0 Library, Part 1, "PCR Extend" */
export function extend(bank: HashAlgorithm, value: Uint8Array, digest: Uint8Array): Buffer {
  return createHash(bank).update(value).update(digest).digest();
}

/**
 * Folds events into PCR values: the one way in which a PCR gets a value here. Events of other registers are passed over.
 * @param options.pcrs registers that are in the result even where no event extends them
 * @returns value of every register that an event extends, in each bank
 */
export function replay(
  events: readonly Pick<MeasuredEvent, "register" | "digests">[],
  options: { banks: readonly HashAlgorithm[]; pcrs?: readonly number[] },
): PcrValues {
  const registers: PcrValues = {};
  for (const bank of options.banks) {
    const values = new Map<number, Buffer>((options.pcrs ?? []).map((pcr) => [pcr, initialValue(bank)]));
    for (const { register, digests } of events) {
      const pcr = pcrOf(register);
      const digest = digests[bank];
      if (pcr === undefined || digest === undefined) continue;
      values.set(pcr, extend(bank, values.get(pcr) ?? initialValue(bank), Buffer.from(digest, "hex")));
    }
    registers[bank] = Object.fromEntries([...values].map(([pcr, value]) => [pcr, value.toString("hex")]));
  }
  return registers;
}
