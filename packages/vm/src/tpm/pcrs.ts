import type { HashAlgorithm } from "@cvm-build/bytes";
import { VmError } from "../errors.ts";
import { decodeBanks, decodePcrRead, encodeGetBanks, encodePcrRead, isNotStarted } from "./commands.ts";
import { PCR_COUNT } from "./format.ts";

/** Register values: bank, then index 0..23, then lower-case hex. */
export type PcrValues = Partial<Record<HashAlgorithm, Record<number, string>>>;

/** Sends one TPM command and gives the response. */
export interface TpmTransport {
  send(command: Buffer): Promise<Buffer>;
}

/** One register and the number of extensions of any register so far. */
export interface PcrGlance {
  value: string;
  updateCounter: number;
}

/**
 * Reads every register of every allocated bank.
 * @throws VmError `evidence` where the TPM refuses, FormatError where it answers nonsense
 */
export async function readAllPcrs(tpm: TpmTransport): Promise<PcrValues> {
  const values: PcrValues = {};
  for (const bank of decodeBanks(await tpm.send(encodeGetBanks()))) values[bank] = await readBank(tpm, bank);
  return values;
}

/** Reads one register; undefined before the firmware has started the TPM or where the bank is not allocated. */
export async function glanceAtPcr(
  tpm: TpmTransport,
  { bank, index }: { bank: HashAlgorithm; index: number },
): Promise<PcrGlance | undefined> {
  const response = await tpm.send(encodePcrRead(bank, [index]));
  if (isNotStarted(response)) return undefined;
  const { updateCounter, values } = decodePcrRead(response, bank);
  const value = values.get(index);
  return value === undefined ? undefined : { value, updateCounter };
}

async function readBank(tpm: TpmTransport, bank: HashAlgorithm): Promise<Record<number, string>> {
  const values: Record<number, string> = {};
  let left = Array.from({ length: PCR_COUNT }, (_, index) => index);
  while (left.length > 0) {
    const read = decodePcrRead(await tpm.send(encodePcrRead(bank, left)), bank).values;
    for (const [index, value] of read) values[index] = value;
    const after = left.filter((index) => !read.has(index));
    if (after.length === left.length) {
      throw new VmError("evidence", `cannot read PCR ${left[0]} of bank "${bank}": expected a value, got none`);
    }
    left = after;
  }
  return values;
}
