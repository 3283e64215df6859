import * as fc from "fast-check";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { makeEvent, makeHeader } from "./log.fixture.ts";
import { scanEntries, scanLog } from "./scan.ts";

const BANKS = ["sha1", "sha256"] as const;
const EVENTS = [
  { pcr: 0, type: 8, data: "version" },
  { pcr: 4, type: 0x80000003, data: "" },
  { pcr: 11, type: 13, data: ".linux\0" },
];
const LOG = Buffer.concat([makeHeader(BANKS), ...EVENTS.map((event) => makeEvent(event, BANKS))]);

describe("scanLog", () => {
  it("reads a log up to whatever follows it", () => {
    for (const rest of [Buffer.alloc(0), Buffer.alloc(500), Buffer.alloc(500, 0xff)]) {
      const found = scanLog(Buffer.concat([LOG, rest]));
      expect(found?.banks).toEqual(BANKS);
      expect(found?.entries.map(({ pcr, type, data }) => ({ pcr, type, data: data.toString() }))).toEqual(EVENTS);
    }
  });

  it("reads what is left of a log whose end was overwritten", () => {
    expect(scanLog(LOG.subarray(0, LOG.length - 1))?.entries).toHaveLength(2);
  });

  it.each([
    ["another register", 0, 1],
    ["another type", 4, 4],
    ["another signature", 32, 0x73],
    ["no algorithm", 56, 0],
    ["too many algorithms", 56, 9],
    ["an unknown algorithm", 60, 0x99],
    ["a wrong digest size", 62, 21],
    ["a size beyond the end", 30, 0xff],
    ["a size that does not hold its algorithms", 28, 30],
  ])("refuses a header with %s", (_, offset, value) => {
    const bytes = Buffer.from(LOG);
    bytes[offset] = value;
    expect(scanLog(bytes)).toBeUndefined();
  });

  it("takes any bytes, and gives back only what is there", () => {
    const mutated = fc.array(fc.tuple(fc.nat(LOG.length - 1), fc.nat(255)), { maxLength: 6 }).map((changes) => {
      const copy = Buffer.from(LOG);
      for (const [at, value] of changes) copy[at] = value;
      return copy;
    });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 300 }).map(Buffer.from)), (bytes) => {
        const found = scanLog(bytes);
        const taken = found
          ? found.header.length + found.entries.reduce((sum, { bytes: own }) => sum + own.length, 0)
          : 0;
        expect(taken).toBeLessThanOrEqual(bytes.length);
        scanEntries(bytes, BANKS);
      }),
      { seed: 1, numRuns: 2000 },
    );
  });
});

const RUNS = join(import.meta.dirname, "../../../../../shared/vectors/qemu-boots/runs");

describe.skipIf(!existsSync(RUNS))("logs of real boots", () => {
  const logs = existsSync(RUNS) ? readdirSync(RUNS).filter((file) => file.endsWith(".log.gz")) : [];

  it.each(logs)("%s", (file) => {
    const log = gunzipSync(readFileSync(join(RUNS, file)));
    const events = JSON.parse(readFileSync(join(RUNS, file.replace(".log.gz", ".events.json")), "utf8")) as unknown[];
    const found = scanLog(log);
    const taken =
      (found?.header.length ?? 0) + (found?.entries ?? []).reduce((sum, { bytes }) => sum + bytes.length, 0);
    expect(taken).toBe(log.length);
    expect(found?.entries).toHaveLength(events.length);
  });
});
