import { describe, expect, it } from "vitest";
import { logBytes } from "./choose.ts";
import { findEventLog } from "./find.ts";
import { type FixtureEvent, makeEvent, makeFinalTable, makeHeader, registersAfter } from "./log.fixture.ts";

const BANKS = ["sha1", "sha256", "sha512"] as const;
const MIB = 1 << 20;
const RAM_BYTES = 48 * MIB;
const RANGES = [{ startAddress: 0, sizeBytes: RAM_BYTES }];

const EARLY: FixtureEvent[] = [0, 1, 2, 3, 4, 5, 6, 7].map((pcr) => ({ pcr, type: 4, data: `separator ${pcr}` }));
const BOOT: FixtureEvent[] = [
  { pcr: 4, type: 0x80000003, data: "image" },
  { pcr: 11, type: 13, data: ".linux" },
];
const FINAL: FixtureEvent[] = [
  { pcr: 5, type: 0x80000007, data: "Exit Boot Services Invocation" },
  { pcr: 5, type: 0x80000007, data: "Exit Boot Services Returned with Success" },
];
const OS: FixtureEvent[] = [{ pcr: 11, type: 13, data: "enter-initrd" }];
const PCRS = registersAfter([...EARLY, ...BOOT, ...FINAL, ...OS], BANKS);

function log(...events: FixtureEvent[]): Buffer {
  return Buffer.concat([makeHeader(BANKS), ...events.map((event) => makeEvent(event, BANKS))]);
}

/** RAM with things at addresses, which also counts how often it is read. */
function ramWith(things: Readonly<Record<number, Buffer>>) {
  const ram = Buffer.alloc(RAM_BYTES);
  for (const [address, bytes] of Object.entries(things)) bytes.copy(ram, Number(address));
  const reads: number[] = [];
  return {
    reads,
    async read({ startAddress, sizeBytes }: { startAddress: number; sizeBytes: number }) {
      reads.push(startAddress);
      expect(startAddress + sizeBytes).toBeLessThanOrEqual(RAM_BYTES);
      return Buffer.from(ram.subarray(startAddress, startAddress + sizeBytes));
    },
  };
}

describe("findEventLog", () => {
  it("finds the whole log near the top of RAM and stops looking", async () => {
    const whole = log(...EARLY, ...BOOT, ...FINAL);
    const ram = ramWith({ [40 * MIB + 24]: whole, [MIB]: log(...EARLY) });
    const found = await findEventLog(ram, { ranges: RANGES, pcrs: PCRS });
    expect(logBytes(found)).toEqual(whole);
    expect(found.isComplete).toBe(true);
    expect(found.explained).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15]);
    expect(ram.reads).toEqual([16 * MIB]);
  });

  it("completes a log with the final events, without those that it has already", async () => {
    const things = {
      [40 * MIB]: log(...EARLY, ...BOOT.slice(0, 1)),
      [41 * MIB]: log(...EARLY, ...BOOT),
      [42 * MIB]: makeFinalTable([...BOOT.slice(1), ...FINAL], BANKS),
      [43 * MIB]: makeFinalTable(OS, BANKS),
    };
    const found = await findEventLog(ramWith(things), { ranges: RANGES, pcrs: PCRS });
    expect(logBytes(found)).toEqual(log(...EARLY, ...BOOT, ...FINAL));
    expect(found.isComplete).toBe(true);
  });

  it("sees a log that straddles two windows, and one that begins at the end of RAM", async () => {
    const whole = log(...EARLY, ...BOOT, ...FINAL);
    for (const address of [16 * MIB - 40, 16 * MIB - 5000, RAM_BYTES - whole.length, 0]) {
      const found = await findEventLog(ramWith({ [address]: whole }), { ranges: RANGES, pcrs: PCRS });
      expect(logBytes(found), `at ${address}`).toEqual(whole);
    }
  });

  it("gives the best of what there is, and says that it is not the whole", async () => {
    const ram = ramWith({ [40 * MIB]: log(...EARLY), [MIB]: log(...EARLY, ...BOOT) });
    const found = await findEventLog(ram, { ranges: RANGES, pcrs: PCRS });
    expect(logBytes(found)).toEqual(log(...EARLY, ...BOOT));
    expect(found.isComplete).toBe(false);
    expect(found.explained).not.toContain(5);
  });

  it("starts PCR 0 at the locality that the log tells", async () => {
    const locality = { pcr: 0, type: 3, data: "StartupLocality\0\u0003" };
    const whole = log(locality, ...EARLY);
    const plain = registersAfter(EARLY, BANKS);
    expect((await findEventLog(ramWith({ 0: whole }), { ranges: RANGES, pcrs: plain })).explained).not.toContain(0);
  });

  it("says so where there is none, however much looks like the start of one", async () => {
    const things = Object.fromEntries(
      Array.from({ length: 100 }, (_, index) => [index * 8192, Buffer.from("Spec ID Event03\0")]),
    );
    await expect(findEventLog(ramWith(things), { ranges: RANGES, pcrs: PCRS })).rejects.toMatchObject({
      code: "evidence",
    });
  });
});
