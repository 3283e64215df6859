import { describe, expect, it } from "vitest";
import { compareWithCcel, compareWithLog } from "./compare.ts";
import type { MeasuredEvent } from "./event.ts";
import { makeLog } from "./eventlog/eventlog.fixture.ts";
import { readEventLog } from "./eventlog/reader.ts";
import { replay } from "./registers.ts";

const digests = (byte: string) => ({ sha1: byte.repeat(20), sha256: byte.repeat(32) });
const predictedEvent = (label: string, byte: string): MeasuredEvent => ({
  register: "pcr11",
  type: "EV_IPL",
  label,
  digests: digests(byte),
  source: {},
});
const loggedEvent = (text: string, byte: string, eventType = 13) => ({
  register: 11,
  eventType,
  data: Buffer.from(`${text}\0`, "utf16le"),
  digests: digests(byte),
});

function compare(predicted: MeasuredEvent[], logged: ReturnType<typeof loggedEvent>[], realEvents = predicted) {
  const banks = ["sha1", "sha256"] as const;
  const prediction = {
    events: predicted,
    registers: { pcr: replay(predicted, { banks }) },
    phases: {},
    unpredicted: [],
    refused: [],
  };
  const evidence = { log: readEventLog(makeLog(logged)), registers: replay(realEvents, { banks }) };
  const comparison = compareWithLog(prediction, evidence);
  expect(comparison.registers.map(({ register }) => register)).toEqual(["pcr11"]);
  return { comparison, register: comparison.registers[0] };
}

describe("compareWithLog", () => {
  const linux = predictedEvent(".linux", "11");
  const osrel = predictedEvent(".osrel", "22");
  const ready = { ...predictedEvent("ready", "33"), type: undefined };

  it("is equal where values and events are, and does not look for userspace's in the log", () => {
    const { comparison, register } = compare(
      [linux, osrel, ready],
      [loggedEvent(".linux", "11"), loggedEvent("no action", "00", 3), loggedEvent(".osrel", "22")],
    );
    expect(comparison.equal).toBe(true);
    expect(register).toMatchObject({ equal: true, comparedBanks: ["sha1", "sha256"], firstDifference: undefined });
    expect(register?.events).toHaveLength(2);
  });

  it("names the first event that differs, predicted beside real", () => {
    const real = [linux, predictedEvent(".osrel", "44")];
    const { comparison, register } = compare(
      [linux, osrel],
      [loggedEvent(".linux", "11"), loggedEvent(".osrel", "44")],
      real,
    );
    expect(comparison.equal).toBe(false);
    expect(register?.differingBanks.map(({ bank }) => bank)).toEqual(["sha1", "sha256"]);
    expect(register?.firstDifference).toBe(1);
    expect(register?.events[1]).toEqual({
      predicted: { type: "EV_IPL", label: ".osrel", digests: digests("22") },
      real: { type: "EV_IPL", label: ".osrel", digests: digests("44") },
      equal: false,
    });
  });

  it.each([
    ["one event too many", [loggedEvent(".linux", "11"), loggedEvent(".osrel", "22")], [linux, osrel], 1],
    ["one too few", [], [], 0],
    ["another type", [loggedEvent(".linux", "11", 5)], [linux], 0],
  ])("sees %s", (_, logged, real, firstDifference) => {
    const { comparison, register } = compare([linux], logged, real);
    expect(comparison.equal).toBe(false);
    expect(register?.firstDifference).toBe(firstDifference);
  });

  it("is not equal where nothing could be compared", () => {
    const log = readEventLog(makeLog([loggedEvent(".linux", "11")]));
    const prediction = {
      events: [linux],
      registers: { pcr: replay([linux], { banks: ["sha256"] }) },
      phases: {},
      unpredicted: [],
      refused: [],
    };
    expect(compareWithLog(prediction, { log, registers: {} })).toMatchObject({
      equal: false,
      registers: [{ comparedBanks: [], differingBanks: [] }],
    });
  });
});

describe("compareWithCcel", () => {
  const sha384 = (byte: string) => byte.repeat(48);
  const predicted = (byte: string): MeasuredEvent => ({
    register: "rtmr1",
    type: "EV_SEPARATOR",
    label: "separator",
    digests: { sha384: sha384(byte) },
    source: {},
  });
  const prediction = {
    events: [predicted("11")],
    registers: { pcr: {}, rtmr: { 1: sha384("aa"), 2: sha384("00") } },
    phases: {},
    unpredicted: [],
    refused: [],
  };
  // Index 2 of a CCEL is RTMR 1.
  const log = (byte: string, register = 2) =>
    readEventLog(
      makeLog(
        [{ register, eventType: 4, data: Buffer.alloc(4), digests: { sha384: sha384(byte) } }],
        [{ id: 12, sizeBytes: 48 }],
      ),
    );
  const real = { 1: sha384("aa"), 2: sha384("00") };

  it("holds RTMRs and the events of their registers against each other", () => {
    const comparison = compareWithCcel(prediction, { log: log("11"), registers: real });
    expect(comparison.equal).toBe(true);
    expect(comparison.registers.map(({ register, events }) => [register, events.length])).toEqual([
      ["rtmr1", 1],
      ["rtmr2", 0],
    ]);
  });

  it.each([
    ["another event", log("22"), real],
    ["an event of another register", log("11", 3), real],
    ["another value", log("11"), { ...real, 2: sha384("01") }],
    ["a register that was not read", log("11"), { 1: sha384("aa") }],
  ])("sees %s", (_, logged, registers) =>
    expect(compareWithCcel(prediction, { log: logged, registers }).equal).toBe(false),
  );
});
