import type { HashAlgorithm } from "@cvm-build/bytes";
import type { RegisterName, RegisterValues } from "@cvm-build/measure";
import type { Measurements, PlatformMeasurements, PublishedEvent } from "../measurements.ts";
import { extended, startOf } from "../register-values.ts";

/** An event of a log as bytes, and as it is published. */
export interface ShortEvent {
  register: RegisterName;
  /** Fills the digest. */
  byte: string;
  /** Events without are userspace's, and in no log. */
  type?: number;
}

const TYPES: Readonly<Record<number, string>> = { 4: "EV_SEPARATOR", 13: "EV_IPL" };
/** Algorithm ids by name. */
const BANKS = { sha256: 0x000b, sha384: 0x000c } as const;

/** The digest of an event. */
export function digestOf(byte: string, bank: keyof typeof BANKS = "sha256"): string {
  return byte.repeat(bank === "sha256" ? 32 : 48);
}

/** Makes a crypto-agile log of one bank. */
export function makeLog(events: readonly ShortEvent[], bank: keyof typeof BANKS = "sha256"): Buffer {
  const u16 = (value: number) => Buffer.of(value & 0xff, value >> 8);
  const u32 = (value: number) => Buffer.concat([u16(value & 0xffff), u16(value >>> 16)]);
  const algorithm = Buffer.concat([u16(BANKS[bank]), u16(digestOf("00", bank).length / 2)]);
  const specId = Buffer.concat([
    ...[Buffer.from("Spec ID Event03\0"), u32(0), Buffer.of(0, 2, 0, 2), u32(1), algorithm, Buffer.of(0)],
  ]);
  const logged = events.flatMap(({ register, byte, type }) => {
    if (type === undefined) return [];
    const index = Number(/\d+/.exec(register)?.[0]) + (register.startsWith("rtmr") ? 1 : 0);
    const digest = Buffer.from(digestOf(byte, bank), "hex");
    return [u32(index), u32(type), u32(1), u16(BANKS[bank]), digest, u32(4), Buffer.alloc(4)];
  });
  return Buffer.concat([u32(0), u32(3), Buffer.alloc(20), u32(specId.length), specId, ...logged]);
}

/** The value of a register after events. */
export function fold(
  events: readonly ShortEvent[],
  register: RegisterName,
  bank: keyof typeof BANKS = "sha256",
): string {
  const own = events.filter((event) => event.register === register);
  return extended(
    startOf(bank),
    bank,
    own.map(({ byte }) => digestOf(byte, bank)),
  );
}

/** Events as they are published. */
export function publishedEvents(events: readonly ShortEvent[], bank: HashAlgorithm = "sha256"): PublishedEvent[] {
  return events.map(({ register, byte, type }) => ({
    register,
    ...(type !== undefined && { type: TYPES[type] ?? "EV_IPL" }),
    label: byte,
    digests: { [bank]: digestOf(byte, bank === "sha384" ? "sha384" : "sha256") },
    source: { file: `file-${byte}`, package: "linux", setting: "Content.Kernel" },
  }));
}

/** A `measurements.json` with one platform or more. */
export function makeMeasurements(...platforms: Partial<PlatformMeasurements>[]): Measurements {
  const none: PlatformMeasurements = {
    name: "test",
    registers: { pcr: {} } satisfies RegisterValues,
    phases: {},
    unpredicted: [],
    refused: [],
    events: [],
  };
  return {
    schema: "cvm-build.measurements/1",
    image: { id: "test", version: "1", sha256: "0".repeat(64) as Measurements["image"]["sha256"] },
    platforms: platforms.map((platform) => ({ ...none, ...platform })),
  };
}
