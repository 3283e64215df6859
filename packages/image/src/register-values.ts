import { type HashAlgorithm, HASH_ALGORITHMS } from "@cvm-build/bytes";
import { extend, initialValue, type RegisterName, type RegisterValues } from "@cvm-build/measure";

/** One value of one register. */
export interface BankValue {
  register: RegisterName;
  /** The bank of a PCR; of other registers their one algorithm. */
  bank: HashAlgorithm;
  /** Lower-case hex. */
  value: string;
}

/** All values, one by one: PCRs bank by bank, then what TDX and SEV have. */
export function bankValues({ pcr, mrtd, rtmr = {}, launchDigest }: RegisterValues): BankValue[] {
  const isSha256 = launchDigest?.length === 64;
  return [
    ...HASH_ALGORITHMS.flatMap((bank) =>
      Object.entries(pcr[bank] ?? {}).map(([index, value]): BankValue => ({
        register: `pcr${Number(index)}`,
        bank,
        value,
      })),
    ),
    ...(mrtd === undefined ? [] : [{ register: "mrtd", bank: "sha384", value: mrtd } as const]),
    ...Object.entries(rtmr).map(([index, value]): BankValue => ({
      register: `rtmr${Number(index)}`,
      bank: "sha384",
      value,
    })),
    ...(launchDigest === undefined
      ? []
      : [{ register: "launchDigest", bank: isSha256 ? "sha256" : "sha384", value: launchDigest } as const]),
  ];
}

/** A register's value in each of its banks; empty where it has none. */
export function valuesByBank(values: RegisterValues, register: string): Partial<Record<HashAlgorithm, string>> {
  const own = bankValues(values).filter((each) => each.register === register);
  return Object.fromEntries(own.map(({ bank, value }) => [bank, value]));
}

/** The value of a register in a bank, or undefined where there is none. */
export function valueOf(values: RegisterValues, { register, bank }: Omit<BankValue, "value">): string | undefined {
  return valuesByBank(values, register)[bank];
}

/** A register's value after more digests. */
export function extended(value: string, bank: HashAlgorithm, digests: readonly string[]): string {
  let current: Buffer = Buffer.from(value, "hex");
  for (const digest of digests) current = extend(bank, current, Buffer.from(digest, "hex"));
  return current.toString("hex");
}

/** What a register holds that nothing was measured into. */
export function startOf(bank: HashAlgorithm): string {
  return initialValue(bank).toString("hex");
}
