import type { HashAlgorithm } from "@cvm-build/bytes";
import type { Prediction, RegisterName, RegisterValues } from "@cvm-build/measure";
import type { PlatformMeasurements, PublishedEvent } from "../measurements.ts";
import { bankValues, extended, startOf, valueOf } from "../register-values.ts";

/** What was published, as a prediction. */
export function predictionOf(platform: PlatformMeasurements): Prediction {
  const { registers, phases, events, unpredicted, refused } = platform;
  return { registers, phases, unpredicted, refused, events: events.map(({ type, ...event }) => ({ ...event, type })) };
}

/**
 * The published platform with one value for every register that may have one of a few: the value that was found where it
 * is one of them, else the first.
 */
export function settleAlternatives(platform: PlatformMeasurements, found: RegisterValues): PlatformMeasurements {
  const settled = (platform.alternatives ?? []).flatMap(({ register, values }) => {
    const matching = values.find((candidate) => {
      const banks = Object.entries(candidate) as [HashAlgorithm, string][];
      const compared = banks.filter(([bank]) => valueOf(found, { register, bank }) !== undefined);
      return compared.length > 0 && compared.every(([bank, value]) => valueOf(found, { register, bank }) === value);
    });
    const chosen = matching ?? values[0] ?? {};
    return (Object.entries(chosen) as [HashAlgorithm, string][]).map(([bank, value]) => ({ register, bank, value }));
  });
  return { ...platform, registers: withValues(platform.registers, settled) };
}

/**
 * The published platform at the end of the firmware's log: registers that userspace extends later, without a log, have the
 * value that they have before.
 */
export function atEndOfLog(platform: PlatformMeasurements): PlatformMeasurements {
  const values = bankValues(platform.registers).map((each) => {
    const own = platform.events.filter(({ register }) => register === each.register);
    if (own.every(isLogged)) return each;
    return { ...each, value: extended(startOf(each.bank), each.bank, digestsOf(own.filter(isLogged), each.bank)) };
  });
  return { ...platform, registers: withValues({ pcr: {} }, values) };
}

/** Digests that userspace extends into a register after the firmware's log, in order. */
export function userspaceDigests(
  { events }: PlatformMeasurements,
  { register, bank }: { register: RegisterName; bank: HashAlgorithm },
): string[] {
  return digestsOf(
    events.filter((event) => event.register === register && !isLogged(event)),
    bank,
  );
}

/** Whether firmware logs an event: userspace's have no type. */
export function isLogged({ type }: PublishedEvent): boolean {
  return type !== undefined;
}

function digestsOf(events: readonly PublishedEvent[], bank: HashAlgorithm): string[] {
  return events.flatMap(({ digests }) => digests[bank] ?? []);
}

/** Registers with these values put in. */
export function withValues(registers: RegisterValues, values: ReturnType<typeof bankValues>): RegisterValues {
  const result: RegisterValues = { ...registers, pcr: { ...registers.pcr } };
  for (const { register, bank, value } of values) {
    const index = Number(/\d+$/.exec(register)?.[0]);
    if (register === "mrtd") result.mrtd = value;
    else if (register === "launchDigest") result.launchDigest = value;
    else if (register.startsWith("rtmr")) result.rtmr = { ...result.rtmr, [index]: value };
    else result.pcr[bank] = { ...result.pcr[bank], [index]: value };
  }
  return result;
}
