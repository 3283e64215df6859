import { compareCodeUnits, HASH_ALGORITHMS, type HashAlgorithm } from "@cvm-build/bytes";
import { pcrOf, type RegisterName } from "@cvm-build/measure";
import type { PlatformMeasurements, PublishedEvent } from "../measurements.ts";
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
  const values = { a: flatten(a), b: flatten(b) };
  const registers = new Set([...values.a.keys(), ...values.b.keys(), ...[a, b].flatMap(registersWithEvents)]);
  return [...registers].sort(byNumber).flatMap((register) => {
    const events = { a: eventsOf(a, register), b: eventsOf(b, register) };
    const steps = diffSequences(events.a, events.b, { key: keyOf, isEqual: sameDigests });
    const differing = differingBanks(values.a.get(register) ?? {}, values.b.get(register) ?? {});
    const changes = steps.filter((step) => step.kind !== "same");
    if (changes.length === 0 && Object.keys(differing).length === 0) return [];
    const sameEvents = steps.length - changes.length;
    return [{ platform: a.name, register, values: differing, events: changes, sameEvents }];
  });
}

type ByBank = Partial<Record<HashAlgorithm, string>>;

function flatten({ registers }: PlatformMeasurements): Map<RegisterName, ByBank> {
  const flat = new Map<RegisterName, ByBank>();
  for (const [bank, values] of Object.entries(registers.pcr) as [HashAlgorithm, Record<string, string>][]) {
    for (const [index, value] of Object.entries(values)) {
      const register: RegisterName = `pcr${Number(index)}`;
      flat.set(register, { ...flat.get(register), [bank]: value });
    }
  }
  if (registers.mrtd !== undefined) flat.set("mrtd", { sha384: registers.mrtd });
  for (const [index, value] of Object.entries(registers.rtmr ?? {}))
    flat.set(`rtmr${Number(index)}`, { sha384: value });
  const { launchDigest } = registers;
  if (launchDigest !== undefined) {
    flat.set("launchDigest", launchDigest.length === 64 ? { sha256: launchDigest } : { sha384: launchDigest });
  }
  return flat;
}

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

/** Equal in every bank that both have, and there is one. */
function sameDigests(a: PublishedEvent, b: PublishedEvent): boolean {
  const banks = HASH_ALGORITHMS.filter((bank) => a.digests[bank] !== undefined && b.digests[bank] !== undefined);
  return banks.length > 0 && banks.every((bank) => a.digests[bank] === b.digests[bank]);
}
