import { compareCodeUnits, HASH_ALGORITHMS, type HashAlgorithm } from "@cvm-build/bytes";
import { pcrOf, type RegisterName, sameDigests } from "@cvm-build/measure";
import type { PlatformMeasurements, PublishedEvent } from "../measurements.ts";
import { bankValues, valuesByBank } from "../register-values.ts";
import { diffSequences, type Step } from "./sequence.ts";

/** A register on one platform, of one image and of another. */
export interface RegisterDifference {
  platform: string;
  register: RegisterName;
  /** Values, by bank; a side that predicts none has none. */
  values: Partial<Record<HashAlgorithm, { a?: string; b?: string }>>;
  /** What leads from the events of one to those of the other; those that are the same are left out. */
  events: Exclude<Step<PublishedEvent>, { kind: "same" }>[];
  sameEvents: number;
}

/** Registers of two images that differ, on the platforms that both are measured for. */
export function diffRegisters(
  a: readonly PlatformMeasurements[],
  b: readonly PlatformMeasurements[],
): RegisterDifference[] {
  return a.flatMap((platform) => {
    const other = b.find(({ name }) => name === platform.name);
    return other ? diffPlatform(platform, other) : [];
  });
}

function diffPlatform(a: PlatformMeasurements, b: PlatformMeasurements): RegisterDifference[] {
  const registers = new Set(
    [a, b].flatMap((platform) => [...registersWithValues(platform), ...registersWithEvents(platform)]),
  );
  return [...registers].sort(byNumber).flatMap((register) => {
    const events = { a: eventsOf(a, register), b: eventsOf(b, register) };
    const steps = diffSequences(events.a, events.b, { key: keyOf, isEqual: sameDigests });
    const differing = differingBanks(valuesByBank(a.registers, register), valuesByBank(b.registers, register));
    const changes = steps.filter((step) => step.kind !== "same");
    if (changes.length === 0 && Object.keys(differing).length === 0) return [];
    const sameEvents = steps.length - changes.length;
    return [{ platform: a.name, register, values: differing, events: changes, sameEvents }];
  });
}

type ByBank = Partial<Record<HashAlgorithm, string>>;

function differingBanks(a: ByBank, b: ByBank): RegisterDifference["values"] {
  return Object.fromEntries(
    HASH_ALGORITHMS.filter((bank) => a[bank] !== b[bank]).map((bank) => [
      bank,
      { ...(a[bank] !== undefined && { a: a[bank] }), ...(b[bank] !== undefined && { b: b[bank] }) },
    ]),
  );
}

/** PCRs in the order of their numbers. */
function byNumber(a: RegisterName, b: RegisterName): number {
  const [left, right] = [pcrOf(a), pcrOf(b)];
  return left !== undefined && right !== undefined ? left - right : compareCodeUnits(a, b);
}

function registersWithValues({ registers }: PlatformMeasurements): RegisterName[] {
  return bankValues(registers).map(({ register }) => register);
}

function registersWithEvents({ events }: PlatformMeasurements): RegisterName[] {
  return events.map(({ register }) => register);
}

function eventsOf({ events }: PlatformMeasurements, register: RegisterName): PublishedEvent[] {
  return events.filter((event) => event.register === register);
}

/** Events that stand for the same thing: what is measured of them may differ. */
function keyOf({ type, label, source }: PublishedEvent): string {
  // A command line is its own label.
  return [type, source.setting ?? label, source.section, source.constant].join("\0");
}
